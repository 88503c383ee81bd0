"""Shared set-up: kernels compile once into the same cache that the venue uses."""

from gateway.cli import use_kernel_cache

use_kernel_cache()
