"""What is compiled: no floats in a decision, one signature, no reads out of range, random bytes harm nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.fuzz_rows import fuzz
from engine.kernels import book, views
from engine.kernels import uncross as uncross_kernel
from engine.messages.rows import COMMAND, EXTENSION
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from tests.engine.book_flows import set_up

ROOT = Path(__file__).resolve().parents[3]
FLOAT = re.compile(r"\b(double|float|half|fp128)\b|\bf(add|sub|mul|div|cmp)\b|sitofp|uitofp|fptosi|fptoui")


def test_no_deciding_kernel_knows_a_float():
    """Compiled here, without the cache: code from the cache has no listing."""
    probe = """
from gateway.cli import use_kernel_cache
use_kernel_cache()
from numba import njit
from engine.kernels import book, holdings, mass_cancel, uncross
from engine.state.warm import compile_kernels
compile_kernels()  # each entry has been called with what it is always called with
entries = [book.run, book.elect, uncross.uncross, mass_cancel.cancel_orders, mass_cancel.expire]
entries += [holdings.set_limit, holdings.deposit, holdings.give_back]
for entry in entries:
    fresh = njit(nogil=True, error_model="numpy", _nrt=False)(entry.py_func)
    fresh.compile(entry.signatures[0])
    print(fresh.inspect_llvm(entry.signatures[0]))
"""
    found = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "define" in found.stdout and "cttz" in found.stdout
    floats = [line for line in found.stdout.splitlines() if FLOAT.search(re.sub(r'"[^"]*"|@\S+', "", line))]
    assert not floats, floats[:5]


def test_each_entry_has_one_signature_however_it_is_called():
    books = set_up(Books())
    rows = np.zeros(4, COMMAND)
    for given_rows in (rows, np.frombuffer(rows.tobytes(), COMMAND), rows[::2]):
        books.run(given_rows, np.zeros(0, EXTENSION), None, 0, first_seq=1, ts_ns=np.int64(5), first_index=0)
    books.uncross(1, None, 0, command=0, first_index=0, ts_ns=1)
    for entry in (book.run, uncross_kernel.uncross, views.levels_of, views.order_at, views.order_named):
        assert len(entry.signatures) <= 1, entry


@pytest.mark.slow
def test_no_index_is_out_of_range():
    """The long flows and the state machine again, in a process whose kernels check every index."""
    flow = """
from random import Random
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from engine.state.hot import Space
from tests.engine.book_flows import Twins, furnished, play
from tests.engine.test_stateful import CompleteBooks, SETTINGS
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
for seed in range(3):
    space = Space(orders=40, slots_initial=4) if seed else Space()
    play(Twins(furnished(Oracle(space)), furnished(Books(space, window_ticks=64, event_rows=3))), Random(seed), 60, 40)
run_state_machine_as_test(CompleteBooks, settings=settings(SETTINGS, max_examples=20))
print("sound")
"""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_DISABLE_CACHING": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    environment["NUMBA_CACHE_DIR"] = str(Path(os.environ["NUMBA_CACHE_DIR"]) / "boundscheck")
    done = subprocess.run([sys.executable, "-c", flow], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "sound", done.stderr[-2_000:]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_bytes_as_rows(seed):
    answer = fuzz(40_000, seed)
    assert answer["rows"] == 40_000 and answer["events"]["fill"] > 100
    assert fuzz(40_000, seed)["hash"] == answer["hash"] == fuzz(40_000, seed, Oracle)["hash"]


def test_a_hundred_thousand_far_prices_stay_in_order():
    """An adversary's ladder: every price outside the window, entered from the worst end and from the best."""
    books = set_up(Books(window_ticks=64))
    random = np.random.default_rng(5)
    prices = np.r_[np.arange(10**6, 10**6 + 50_000) * 3, np.arange(10**6 - 1, 10**6 - 50_001, -1) * 3]
    rows = np.zeros(len(prices) + 1, COMMAND)
    rows["kind"], rows["version"], rows["account"], rows["instrument"], rows["qty"], rows["side"] = 1, 1, 1, 1, 1, 1
    rows["price"][0], rows["price"][1:] = 100, prices
    books.run(rows, np.zeros(0, EXTENSION), None, 0, first_seq=1, ts_ns=1)
    assert int(books.state.sides[5]["far_count"]) == 100_000
    assert books.depth(1, 1, 10**6)["price"].tolist() == sorted(rows["price"].tolist())
    cancels = np.zeros(50_000, COMMAND)
    cancels["kind"], cancels["version"], cancels["account"], cancels["instrument"] = 2, 1, 1, 1
    gone = random.permutation(100_000)[:50_000] + 1
    cancels["order"] = 1 << 32 | gone
    books.run(cancels, np.zeros(0, EXTENSION), None, 0, first_seq=1, ts_ns=1)
    left = np.delete(rows["price"], gone)
    assert books.depth(1, 1, 10**6)["price"].tolist() == sorted(left.tolist())
    books.set_phase(1, 2)  # a change of phase widens the window; nobody sees it
    assert int(books.state.sides[5]["ticks"]) > 64
    assert books.depth(1, 1, 10**6)["price"].tolist() == sorted(left.tolist())
