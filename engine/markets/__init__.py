"""Market rules: one file each, beside the rule that it implements."""
