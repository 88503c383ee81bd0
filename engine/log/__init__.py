"""The command log: the only truth, and the only part of the engine that touches a disk."""
