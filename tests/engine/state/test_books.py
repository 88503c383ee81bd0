"""Records in which hot and cold rows stand by turns: the books run many times over one record."""

from __future__ import annotations

import pytest

from engine.codes import CommandKind, EventKind
from engine.messages import refs
from engine.oracle.books import Books as Oracle
from engine.state import books, running
from tests.engine.book_flows import Batch, assert_same_events, set_up

PAIRS = 40


def hot_and_cold_by_turns() -> Batch:
    batch = Batch()
    for number in range(PAIRS):
        batch.add(CommandKind.NEW, ref=f"an-order-with-a-long-id-{number:04d}", price=100)
        batch.add(CommandKind.BID, body=b"\x90")
    return batch


def run_as_the_machine_does(hot, batch: Batch) -> list:
    rows, extensions, bodies = batch.arrays()
    found, row = [], 0
    while row < len(rows):
        if row % 2 == 0:
            row, events = hot.run(rows, extensions, bodies, row, first_seq=1, ts_ns=1)
            found.append(events)
        else:
            row += 1
    return found


def test_every_text_id_of_a_record_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each run of hot rows would take the square of a record's length: seconds, for 2,000 bids and orders."""
    checked = []

    def counted(raw: bytes, hi: int, lo: int) -> bool:
        checked.append(raw)
        return refs.is_digest_of(raw, hi, lo)

    monkeypatch.setattr(running, "is_digest_of", counted)
    found = run_as_the_machine_does(set_up(books.Books()), hot_and_cold_by_turns())
    assert [int(events["kind"][0]) for events in found] == [EventKind.ACCEPTED] * PAIRS
    assert len(checked) == PAIRS


def test_books_and_oracle_agree_on_broken_ids_between_cold_rows() -> None:
    batch = hot_and_cold_by_turns()
    batch.rows[4]["ref_lo"] += 1  # no longer the digest of its text
    batch.rows[8]["ref_form"] = 0  # a body without a form
    kernel, oracle = (run_as_the_machine_does(set_up(hot), batch) for hot in (books.Books(), Oracle()))
    for mine, other in zip(kernel, oracle, strict=True):
        assert_same_events(mine, other)
    assert [int(events["kind"][0]) for events in kernel].count(EventKind.REJECTED) == 2
