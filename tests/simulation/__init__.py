"""The whole venue in one thread from one integer seed: fake clock, failing disk, lossy network, crash and replay."""
