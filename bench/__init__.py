"""Benchmarks: ratios to a baseline, with a checksum of the answer."""
