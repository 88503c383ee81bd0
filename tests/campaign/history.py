"""What a data directory holds after a campaign, held against every answer that a client had.

The log is derived anew by the plain-Python twin of the engine; whatever was told must be in it, once, as it was told,
and the SQLite file must be what that derivation gives.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, Reason, RefForm
from engine.log.event_reader import EventReader
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.machine import Machine
from engine.messages.refs import text_ref
from engine.oracle.books import Books
from gateway.access import own_rows
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, PROJECTION_FILE
from gateway.projections.sqlite import SqliteSink, dump
from gateway.replaying import rebuild
from tests.campaign.load import Load, PackedAnswer, TextAnswer

TICK = Fraction("0.05")
Ref = tuple[int, int, int, int]  # account, form, hi, lo


class Derived:
    """Commands, events, state and SQLite rows of a log, from its first record."""

    def __init__(self, data: Path, hashes: dict[int, bytes]) -> None:
        """hashes: state hash by record number, as it was found before; each must come again."""
        log = LocalLog.open(RealFiles(), data / LOG_FOLDER, writable=False)
        self.machine = Machine(Books(), log.skips)
        self.rows: list[np.void] = []  # by sequence - 1
        self.events: list[np.ndarray] = []  # of each command itself, without what timers caused
        self.records = 0
        self.decided: list[tuple[int, bytes]] = []  # (record, its events), of those that have commands
        self._sink = SqliteSink(":memory:")
        for record in log.read():
            events = self.machine.apply(record)
            self._sink.take(record, events, self.machine.event_digest)
            if record.count:
                self.decided.append((record.number, events.tobytes()))
            self.rows += list(record.batch.rows)
            own = events[(events["flags"] & EventFlag.BY_TIMER) == 0]
            edges = own["command"].searchsorted(np.arange(record.count + 1)).tolist()
            self.events += [own[edges[row] : edges[row + 1]] for row in range(record.count)]
            self.records += 1
            found = hashes.get(record.number)
            assert found is None or found == self.machine.state_hash(), f"state differs at record {record.number}"
        self._sink.flush()
        missing = [number for number in hashes if number > self.records]
        assert not missing, f"record {max(missing, default=0)} was read before a start and is gone"

    def rows_of_sqlite(self) -> dict[str, list[tuple]]:
        return dump(self._sink._db)


def check(data: Path, load: Load, hashes: dict[int, bytes]) -> dict[str, float]:
    """Everything at once, over a directory whose venue has ended in order. Returns what was counted.

    Raises AssertionError with the first thing that is wrong.
    """
    derived = Derived(data, hashes)
    for told in load.text:
        _check_text(derived, told)
    for answer in load.packed:
        _check_packed(derived, answer)
    _each_id_is_one_order(derived, load)
    kernel = rebuild(data).machine.state_hash()
    assert kernel == derived.machine.state_hash(), "kernels and oracle come to different states"
    assert kernel == rebuild(data, whole=True).machine.state_hash(), "a snapshot leads to another state"
    _check_events(data, derived)
    fills = _check_sqlite(data, derived)
    return {"acknowledged": load.answers, "commands": len(derived.rows), "records": derived.records, "fills": fills}


def _check_text(derived: Derived, told: TextAnswer) -> None:
    body = told.body
    seq = body["seq"]
    assert seq <= len(derived.rows), f"command {seq} was acknowledged and is not in the log"
    row, events = derived.rows[seq - 1], derived.events[seq - 1]
    assert ref_of(row) == (told.account, *map(int, text_ref(told.client_order_id))), f"command {seq} is another one"
    assert events["kind"][0] == EventKind.ACCEPTED and str(events["order"][0]) == body["order_id"], seq
    if body["duplicate"]:
        return
    fills = events[events["kind"] == EventKind.FILL]
    wanted = [(f"{seq}-{fill['index']}", int(fill["price"]), str(fill["qty"])) for fill in fills]
    heard = [(fill["fill_id"], int(Fraction(fill["price"]) / TICK), fill["quantity"]) for fill in body["fills"]]
    assert heard == wanted, f"fills of command {seq}: {heard} were told, {wanted} are in the log"


def _check_packed(derived: Derived, answer: PackedAnswer) -> None:
    shown = own_rows(answer.events, answer.account)
    for at, (number, seq) in enumerate(zip(answer.numbers.tolist(), answer.seqs.tolist(), strict=True)):
        assert seq <= len(derived.rows), f"command {seq} was acknowledged and is not in the log"
        row = derived.rows[seq - 1]
        assert ref_of(row) == (answer.account, RefForm.STREAM, answer.stream, number), f"command {seq} is another one"
        caused = derived.events[seq - 1]
        caused = caused[(caused["account"] == answer.account) | (caused["counter_account"] == answer.account)]
        caused["flags"][-1] |= EventFlag.LAST
        wanted, heard = own_rows(caused, answer.account), shown[shown["command"] == at].copy()
        wanted["command"] = heard["command"] = 0
        assert heard.tobytes() == wanted.tobytes(), f"other events of command {seq} were told than the log gives"


def ref_of(row: np.void) -> Ref:
    return int(row["account"]), int(row["ref_form"]), int(row["ref_hi"]), int(row["ref_lo"])


def _each_id_is_one_order(derived: Derived, load: Load) -> None:
    """Every id that a client used was taken, and taken once."""
    orders: Counter[Ref] = Counter()
    taken: Counter[Ref] = Counter()
    for row, events in zip(derived.rows, derived.events, strict=True):
        if row["kind"] not in (CommandKind.NEW, CommandKind.CANCEL):
            continue
        orders[ref_of(row)] += int(np.count_nonzero(events["kind"] == EventKind.ACCEPTED))
        stale = events["reason"][0] == Reason.STALE_REF
        taken[ref_of(row)] += not stale and events["kind"][0] != EventKind.DUPLICATE
    doubled = [ref for ref, count in orders.items() if count > 1]
    assert not doubled, f"ids that became several orders: {doubled[:3]}"
    twice = [ref for ref, count in taken.items() if count != 1]
    assert not twice, f"ids that were not taken once: {[(ref, taken[ref]) for ref in twice[:3]]}"
    for packer in load.packers:
        for number in range(1, packer.flow.number + 1):
            assert taken[(packer.account, RefForm.STREAM, packer.stream, number)] == 1, f"row {number} was lost"
    texts = sum(1 for ref in taken if ref[1] in (RefForm.TEXT, RefForm.DIGEST))
    assert texts == load.steps, f"{load.steps} text ids were used, {texts} are in the log"


def _check_events(data: Path, derived: Derived) -> None:
    """Event segments hold every decision in order, but for what no later record vouches for."""
    reader, found = EventReader(RealFiles(), data / EVENTS_FOLDER), []
    while more := reader.poll():
        found += [(record.number, events.tobytes()) for record, events, _ in more]
    reader.close()
    assert found == derived.decided[: len(found)], "the event segments hold other events than the log gives"
    assert len(found) >= len(derived.decided) - 1, f"{len(derived.decided) - len(found)} records have no events stored"


def _check_sqlite(data: Path, derived: Derived) -> int:
    """The file row for row, fills counted apart. Returns how many there are."""
    db = sqlite3.connect(f"file:{data / PROJECTION_FILE}?mode=ro", uri=True)
    try:
        found, wanted = dump(db), derived.rows_of_sqlite()
    finally:
        db.close()
    names = Counter(row[1:3] for row in found["fills"])
    missing = {row[1:3] for row in wanted["fills"]} - names.keys()
    doubled = [name for name, count in names.items() if count > 1]
    assert not missing and not doubled, f"fills missing {sorted(missing)[:3]}, doubled {doubled[:3]}"
    for table, rows in wanted.items():
        assert found[table] == rows, f"table {table} differs from the log"
    return len(found["fills"])
