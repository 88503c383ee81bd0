"""How kernels are compiled. Entry points are cached on disk; helpers become part of whatever calls them.

Never parallel, never fast maths: a decision must not depend on threads or on rounding. `numpy` error model: the kernels
never divide by zero, so that no check for it is needed. Without Numba's memory runtime: kernels allocate nothing, and
no array is reference-counted on its way into a helper (counting made one message cost 3 us instead of tens of ns).
"""

from __future__ import annotations

from numba import njit

# What Python calls.
kernel = njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
# A step on the hot path: inlined, because a call would hand over every array of the state.
step = njit(nogil=True, forceinline=True, error_model="numpy", _nrt=False)
# A part of exactly one or two entries: it becomes part of them before anything is compiled, not compiled by itself too.
part = njit(nogil=True, inline="always", error_model="numpy", _nrt=False)
# A step that is rarely taken: the compiler may keep it out of the way. It says so itself: Numba compiles a callee with
# its caller's flags, and would force into a step whatever the step calls.
rare = njit(nogil=True, forceinline=False, error_model="numpy", _nrt=False)
