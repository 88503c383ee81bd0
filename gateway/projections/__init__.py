"""Tables that a person would query, folded from the log."""
