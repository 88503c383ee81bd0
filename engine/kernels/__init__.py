"""Compiled decisions over named arrays: numpy, numba, codes and limits only."""
