"""The book benchmark on a small workload: orders named in three ways are one market; a wrong answer stops it."""

from __future__ import annotations

import numpy as np
import pytest

from bench import book
from bench.book_rows import RECORD_ROWS, Fills, books_of, order_rows, text_rows
from bench.latency import spans_of_each
from bench.workloads import MAGIC, Workload, generate
from engine.codes import CommandKind
from engine.state.flow import Replay
from gateway.flow_file import read_flow

SMALL = Workload("small", "three books", 7, 700, 2_000, 3, 0.05, 0, 0, 0, "", "")


@pytest.fixture(scope="module")
def flow():
    records = generate(SMALL)
    header = np.array([SMALL.warm, SMALL.timed, SMALL.symbols, int(records["id"].max()) + 1, 0], "<u4")
    return read_flow(MAGIC + header.tobytes() + records.tobytes(), None)


@pytest.fixture(scope="module")
def workload(flow):
    """The small workload with the answers of the replay by file ids."""
    low, high = flow.price_range
    replay = Replay(instruments=SMALL.symbols, ids=flow.ids, price_min=low, price_max=high)
    replay.run(flow.messages)
    assert replay.fills > 100 and not replay.rejects
    lots = replay.resting()[1]
    return SMALL._replace(fnv=replay.fnv, fills=replay.fills, volume=replay.volume_lots, resting_qty=lots)


def test_texts_and_order_ids_name_the_same_orders(flow, workload):
    texts = text_rows(flow)
    assert len(texts.commands) > 2 * RECORD_ROWS and (texts.commands["kind"] == CommandKind.REPLACE).any()
    _, _, order_of = book.by_rows(workload, flow, texts)
    book.by_rows(workload, flow, order_rows(texts, order_of))


def test_a_wrong_answer_stops_the_benchmark(flow, workload):
    with pytest.raises(AssertionError, match="small"):
        book.by_rows(workload._replace(fills=workload.fills + 1), flow, text_rows(flow))


def test_each_command_has_a_span(flow, workload):
    texts = text_rows(flow)
    fills = Fills(texts.file_ids, flow.ids)
    rows = order_rows(texts, book.by_rows(workload, flow, texts)[2])
    spans, clock_ns = spans_of_each(books_of(flow), rows.commands, rows.extensions, fills)
    assert fills.found == (workload.fnv, workload.fills, workload.volume)
    assert len(spans) == len(flow.messages) and spans.min() >= 0 and 0 < clock_ns < np.median(spans)
    figures = book.each_alone(workload, flow, rows, 1)
    assert figures["latency_ns_p50"] <= figures["latency_ns_p99.9"] <= figures["latency_ns_p99.99"]
