"""Time of one command in the kernel, by the processor's own counter (x86-64).

`rdtscp` waits for the work before it; that and reading it twice is in every span, and told beside them.
"""

from __future__ import annotations

import platform
from time import perf_counter_ns

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from bench.book_rows import RECORD_ROWS, Fills
from engine.kernels.book import apply
from engine.kernels.compiled import kernel
from engine.kernels.constants import DONE
from engine.state.books import Books

PERCENTILES = (50, 90, 99, 99.9, 99.99)


@intrinsic
def ticks(typingctx):
    """The time-stamp counter, once all instructions before it are done."""

    def codegen(context, builder, signature, args):
        pair = ir.LiteralStructType([ir.IntType(64), ir.IntType(32)])
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(pair, []), "llvm.x86.rdtscp")
        return builder.extract_value(builder.call(function, []), 0)

    return types.int64(), codegen


@kernel
def now():
    return ticks()


@kernel
def nothing_between(spans):
    for i in range(len(spans)):
        start = ticks()
        spans[i] = ticks() - start


@kernel
def apply_each(s, rows, extensions, first_seq, row, events, spans):
    """Apply rows from `row` on, one at a time, until one lacks room. Returns (status, first row not applied).

    events  out  EVENT[n]  of the rows applied
    spans   out  int64[rows]  ticks of each
    """
    m = s.meta[0]
    m.first_seq = first_seq
    m.event_count = 0
    for i in range(row, len(rows)):
        m.row = i
        m.event_index = 0
        start = ticks()
        status = apply(s, rows[i], extensions, False, events)
        spans[i] = ticks() - start
        if status != DONE:
            return status, i
    return DONE, len(rows)


def spans_of_each(books: Books, rows: np.ndarray, extensions: np.ndarray, fills: Fills) -> tuple[np.ndarray, float]:
    """(ns of each command, ns of the clock itself). Room is made outside of the spans; the events go to `fills`."""
    assert platform.machine() in ("x86_64", "AMD64"), "the counter is read by an x86-64 instruction"
    spans, own = np.zeros(len(rows), np.int64), np.zeros(10_000, np.int64)
    events = np.zeros(RECORD_ROWS * 8, books.events.dtype)
    nothing_between(own)
    started_ns, started = perf_counter_ns(), now()
    for first in range(0, len(rows), RECORD_ROWS):
        record, row, status = rows[first : first + RECORD_ROWS], 0, -1
        while status != DONE:
            status, row = apply_each(
                books.state, record, extensions, first + 1, row, events, spans[first : first + RECORD_ROWS]
            )
            fills.add(events[: int(books.state.meta[0]["event_count"])], first)
            if status != DONE:
                books.make_room(status)
    ns_per_tick = (perf_counter_ns() - started_ns) / (now() - started)
    return spans * ns_per_tick, float(np.median(own)) * ns_per_tick
