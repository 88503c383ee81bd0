"""Plain-Python twins of the kernels, written from the rules. Slow, short and easy to check."""
