"""Sales of auction lots: one frame, and a rule for each mechanism."""
