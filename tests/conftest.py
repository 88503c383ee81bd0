"""Shared set-up: kernels compile once into the same cache that the venue uses."""

from hypothesis import settings

from gateway.cli import use_kernel_cache

use_kernel_cache()
settings.register_profile("venue", deadline=None)  # the first example may compile a kernel
settings.load_profile("venue")
