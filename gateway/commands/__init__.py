"""Commands of `qhatu`, one file each."""
