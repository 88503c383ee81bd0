"""Commands and events: the only vocabulary that crosses a boundary. Rows are little-endian and 64 bytes wide."""
