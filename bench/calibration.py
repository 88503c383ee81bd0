"""The calibrating loop: what one dependent step costs here and now, so that lines of different machines compare."""

from __future__ import annotations

from time import thread_time_ns

import numpy as np

from engine.kernels.compiled import kernel

STEPS = 10**7
SPANS = 5


@kernel
def dependent_steps(n):
    """n steps of a xorshift generator, each waiting for the one before."""
    x = np.uint64(88172645463325252)
    for _ in range(n):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
    return x


def calibration_ns() -> float:
    """CPU ns of one dependent step, best of five."""
    dependent_steps(1)
    spans = []
    for _ in range(SPANS):
        start = thread_time_ns()
        dependent_steps(STEPS)
        spans.append((thread_time_ns() - start) / STEPS)
    return min(spans)
