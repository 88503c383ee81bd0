"""After the warm-up nothing is left to compile: no kernel compiles while clients wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROBE = """
from gateway.cli import use_kernel_cache
use_kernel_cache()
from engine.state.warm import compile_kernels
compile_kernels()
from random import Random
from numba.core.caching import NullCache
from engine.kernels import auction_orders, book, chains, curve, holdings, loading, mass_cancel, uncross, views
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from tests.engine.book_flows import Twins, play, set_up
modules = (auction_orders, book, chains, curve, holdings, loading, mass_cancel, uncross, views)
named = [f for m in modules for f in vars(m).values() if getattr(f, "__module__", "") == m.__name__]
entries = [f for f in named if not isinstance(getattr(f, "_cache", NullCache()), NullCache)]
never = [f.__name__ for f in entries if len(f.signatures) != 1]
play(Twins(set_up(Oracle()), set_up(Books(window_ticks=64, event_rows=3))), Random(3), 40, 60)
late = [f.__name__ for f in entries if len(f.signatures) != 1]
print(len(entries) > 25, never, late)
"""


def test_a_flow_after_the_warm_up_compiles_nothing():
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "True [] []", done.stdout + done.stderr[-2_000:]
