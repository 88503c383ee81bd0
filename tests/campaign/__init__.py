"""Campaigns: proofs too long for the test suite, run in portions that a ledger sums."""
