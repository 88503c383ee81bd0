"""The machine: `apply(record) -> events`, the one function that decides.

Pure: time comes with the record, there is no clock, chance, file or socket here. Same records, same events, same state
hash, on whichever hot state it runs and however the commands were cut into records.

    timers that are due | hot rows, as far as they go | one cold row | hot rows | ... -> events

An exception out of `apply` is a bug: the state may be half changed, so the venue must stop. A note on it names the
commands in hand; `skips` (from the operator's SKIP commands) pass over them when the log is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from engine.codes import COLD_FIRST, CommandKind, EventKind, Reason, RefForm
from engine.domain.curve import Clearing
from engine.generations import OtherGeneration
from engine.limits import BODY_BYTES_MAX
from engine.log.interface import Tail
from engine.log.record import GENERATION, GENESIS_DIGEST, Record, chain_events
from engine.log.snapshot import BadSnapshot, Snapshot, section_group, snapshot_name
from engine.markets import (
    accounts,
    catalogue,
    corrections,
    identity,
    kill_switch,
    listings,
    mass_cancel,
    phases,
    registers,
    timers,
)
from engine.markets.extensions import Outlook, clearing_of, outlook
from engine.markets.sales import awards, frame, packages, sealed, seasons
from engine.markets.turn import NO_EVENTS, Turn
from engine.messages import bodies
from engine.messages.bodies import Bid, decode_body
from engine.messages.body import Body
from engine.messages.rows import ROW_VERSION
from engine.state.canonical import state_hash
from engine.state.cold import cold_sections, venue_of
from engine.state.hot import Hot
from engine.state.sections import FORMS
from engine.state.venue import EXTENDED, Venue


def _nothing(turn: Turn, body: Body) -> Reason:
    """TIME fires what is due and SKIP is heeded on replay: neither does anything here."""
    return Reason.NONE


def _generation(turn: Turn, body: bodies.Generation) -> Reason:
    """The machine has checked that it stands on the migrated state."""
    turn.emit(EventKind.GENERATION_OPENED, qty=body.after, leaves=body.before)
    return Reason.NONE


# Cold rules by kind. RESUME stands apart: it comes before the timers.
RULES: dict[CommandKind, Callable[[Turn, Any], Reason]] = {
    CommandKind.TIME: _nothing,
    CommandKind.RESUME: timers.resume,
    CommandKind.SKIP: _nothing,
    CommandKind.GENESIS: registers.genesis,
    CommandKind.GENERATION: _generation,
    CommandKind.KILL_SWITCH: kill_switch.kill_switch,
    CommandKind.OPEN_ACCOUNT: registers.open_account,
    CommandKind.ADD_KEY: registers.add_key,
    CommandKind.REVOKE_KEY: registers.revoke_key,
    CommandKind.LIST_INSTRUMENT: registers.list_instrument,
    CommandKind.SET_REFERENCE: listings.set_reference,
    CommandKind.SET_ACCOUNT: accounts.set_account,
    CommandKind.SET_LIMITS: accounts.set_limits,
    CommandKind.DEPOSIT: accounts.deposit,
    CommandKind.CHANGE_INSTRUMENT: listings.change_instrument,
    CommandKind.DELIST_INSTRUMENT: listings.delist_instrument,
    CommandKind.SET_PHASE: phases.set_phase,
    CommandKind.UNCROSS: phases.uncross,
    CommandKind.SCHEDULE: phases.schedule,
    CommandKind.MASS_CANCEL: mass_cancel.mass_cancel,
    CommandKind.CANCEL_AFTER: mass_cancel.cancel_after,
    CommandKind.BUST_TRADE: corrections.bust_trade,
    CommandKind.CORRECT_TRADE: corrections.correct_trade,
    CommandKind.BID: frame.bid,
    CommandKind.END_SALE: frame.end_sale,
    CommandKind.PLAN_SALE: frame.plan_sale,
    CommandKind.REGISTER: frame.register,
    CommandKind.ADMIT: frame.admit,
    CommandKind.DECIDE_BID: frame.decide_bid,
    CommandKind.OPEN_BIDS: sealed.open_bids,
    CommandKind.PROPOSE: packages.propose,
    CommandKind.SETTLE: awards.settle,
    CommandKind.SPLIT: awards.split,
    CommandKind.DEFINE_SEASON: seasons.define_season,
    CommandKind.DESCRIBE_LOT: catalogue.describe_lot,
    CommandKind.VOID_SALE: frame.void_sale,
}
assert set(RULES) == {kind for kind in CommandKind if kind >= COLD_FIRST}, "every cold command has a rule"


class Machine:
    """State of one shard and the function that moves it.

    hot    order books and the identities of hot commands
    skips  sequences of commands that an operator's SKIP passes over
    """

    def __init__(self, hot: Hot, skips: frozenset[int] = frozenset()) -> None:
        self.hot = hot
        self.venue = Venue()
        self.skips = skips
        self.seq = 0  # last command applied
        self.ts_ns = 0  # of its record
        self.event_digest = GENESIS_DIGEST  # chain over all records that had commands
        self.migrated: tuple[int, bytes] | None = None  # state it comes from, until GENERATION has told of it

    def snapshot(self, tail: Tail, extra: Mapping[str, np.ndarray | bytes] | None = None) -> Snapshot:
        """The whole state, standing after the record before `tail`; arrays of its own, which nothing here changes
        later. `extra` joins under "extra/"."""
        assert tail.next_seq == self.seq + 1, "the machine stands where the log does"
        sections = {f"hot/{name}": part for name, part in self.hot.sections().items()}
        sections |= {f"cold/{name}": part for name, part in cold_sections(self.venue)}
        sections |= {f"extra/{name}": part for name, part in (extra or {}).items()}
        return Snapshot(
            0, GENERATION, tail, self.ts_ns, self.event_digest, self.state_hash(), sections,
        )  # fmt: skip

    @classmethod
    def restored(cls, hot: Hot, snapshot: Snapshot, skips: frozenset[int] = frozenset()) -> Machine:
        """The machine that a snapshot of this generation tells (or one migrated to it: the first record to come is then
        GENERATION), on unused books. Raises BadSnapshot when its sections are no state, or another one than its hash
        says; OtherGeneration."""
        if snapshot.generation != GENERATION:
            raise OtherGeneration(f"snapshot {snapshot_name(snapshot.number)}", snapshot.generation)
        name = snapshot_name(snapshot.number)
        machine = cls(hot, skips)
        try:
            hot.load(section_group(snapshot.sections, "hot/", FORMS))
            machine.venue = venue_of(section_group(snapshot.sections, "cold/"))
        except (KeyError, ValueError, IndexError, msgspec.DecodeError) as error:
            raise BadSnapshot(name, f"its sections are no state: {type(error).__name__} {error}") from error
        machine.seq, machine.ts_ns = snapshot.seq, snapshot.ts_ns
        machine.event_digest, machine.migrated = snapshot.event_digest, snapshot.migrated
        if (found := machine.state_hash()) != snapshot.state_hash:
            raise BadSnapshot(name, f"its state has hash {found.hex()}, it says {snapshot.state_hash.hex()}")
        return machine

    def apply(self, record: Record) -> np.ndarray:
        """EVENT[n] of the record's commands, in order. An empty record fires nothing and changes nothing.

        Raises OtherGeneration, before anything changes: its meaning is another release's to tell. AssertionError when
        the record does not follow the one before, and whatever a bug raises.
        """
        if record.generation != GENERATION:
            raise OtherGeneration(f"record {record.number}", record.generation)
        assert record.first_seq == self.seq + 1, f"record begins at {record.first_seq}, expected {self.seq + 1}"
        assert record.ts_ns >= self.ts_ns, f"time of the record falls from {self.ts_ns} to {record.ts_ns}"
        if record.count == 0:
            return NO_EVENTS
        if self.migrated is not None:
            assert record.batch.rows["kind"].tolist() == [CommandKind.GENERATION], "a migrated state is told of first"
        turn = Turn(self.venue, self.hot, first_seq=record.first_seq, ts_ns=record.ts_ns)
        if self.seq == 0:
            timers.arm_sweep(turn)
        try:
            self._run(turn, record)
        except Exception as error:
            error.add_note(f"while applying {_in_hand(turn.command, record)} (record {record.number})")
            raise
        events = turn.events()
        self.seq, self.ts_ns = record.next_seq - 1, record.ts_ns
        self.event_digest = chain_events(self.event_digest, events)
        return events

    def next_due(self) -> int | None:
        """Venue time at which the next timer or expiry is due, or None."""
        return timers.next_due(self.venue, self.hot)

    def outage_clock_runs(self) -> bool:
        """A timer waits that an outage would extend: the log must go on saying that the venue is alive."""
        return any(timer.kind in EXTENDED for timer in self.venue.timers)

    def state_hash(self) -> bytes:
        """16 bytes of the whole logical state: hot parts and cold registers."""
        return state_hash(self.seq, self.ts_ns, self.hot, self.venue)

    def indication(self, instrument: int) -> Clearing:
        """What an uncross now would give. Raises KeyError for an unknown instrument."""
        listing = self.venue.instruments[instrument]
        return clearing_of(self.venue, listing, self.hot.curve(instrument))

    def outlook(self, instrument: int) -> Outlook:
        """The same, and whether it would print, extend the call, or halt the book."""
        return outlook(self.venue, self.venue.instruments[instrument], self.indication(instrument))

    def _run(self, turn: Turn, record: Record) -> None:
        """The loop: what is due, then runs of hot rows and single cold rows in the order of the record."""
        rows, extensions, bodies = record.batch.rows, record.batch.extensions, _bodies(record)
        kinds, accounts, count = rows["kind"], rows["account"], len(rows)
        skipped: list[int] = []
        if self.skips:
            skipped = [
                seq - record.first_seq for seq in sorted(self.skips) if record.first_seq <= seq < record.next_seq
            ]
        resumes = int(kinds[0]) == CommandKind.RESUME
        if not resumes:
            timers.fire_due(turn, skipped=0 in skipped)
        row = 0
        while row < count:
            turn.begin(row, int(accounts[row]))
            if row in skipped:
                turn.emit(EventKind.SKIPPED)
            elif int(kinds[row]) >= COLD_FIRST:
                self._cold(turn, rows[row], bodies[row] if bodies else b"", alone=count == 1)
            else:
                end = next((other for other in skipped if other > row), count) if skipped else count
                done, events = self.hot.run(
                    rows if end == count else rows[:end],
                    extensions,
                    bodies[:end] if bodies else None,
                    row,
                    first_seq=record.first_seq,
                    ts_ns=record.ts_ns,
                    first_index=turn.index,
                )
                assert row < done <= end, "the hot state applies at least the row it was given"
                turn.answered(events)
                row = done
                continue
            if resumes:
                timers.fire_due(turn, skipped=0 in skipped)
            turn.close()
            row += 1

    def _cold(self, turn: Turn, row: np.void, raw: bytes, *, alone: bool) -> None:
        """One cold command. Checks in this order: kind, version, form of the id, body, account, place in the record;
        then the id (from here on the answer is remembered under it); then the rule's own."""
        body, reason = _decoded(row, raw)
        if reason == Reason.NONE and turn.account and turn.account not in self.venue.accounts:
            reason = Reason.ACCOUNT_UNKNOWN
        if reason == Reason.NONE and row["kind"] == CommandKind.RESUME and not alone:
            reason = Reason.NOT_PERMITTED
        if isinstance(body, bodies.Generation):
            reason = self._may_open(body)
        instrument, order = _about(body)
        if reason != Reason.NONE:
            _refuse(turn, reason, instrument, order)
            return
        key = asked = None
        if row["ref_form"] in identity.TEXT_FORMS:
            key = (turn.account, int(row["ref_form"]), int(row["ref_hi"]), int(row["ref_lo"]))
            asked = identity.body_hash(int(row["kind"]), raw)
            known = identity.answered_before(turn, key, asked)
            if known is not None:
                if known != Reason.NONE:
                    _refuse(turn, known, instrument, order)
                return
        before = turn.index
        reason = RULES[CommandKind(int(row["kind"]))](turn, body)
        if reason != Reason.NONE:
            assert turn.index == before, "a rule that refuses has told nothing"
            _refuse(turn, reason, instrument, order)
        elif turn.index == before:
            turn.emit(EventKind.DONE, instrument=instrument, order=order, account=turn.account)
        if key is not None and asked is not None:
            identity.remember(turn, key, asked, reason=reason, instrument=instrument, order=order)

    def _may_open(self, body: bodies.Generation) -> Reason:
        """GENERATION stands on a state that was just migrated, and on no other. That this is the state it speaks of is
        asserted: the release that wrote it came to another one."""
        if self.migrated is None:
            return Reason.NOT_PERMITTED
        migrated, self.migrated = self.migrated, None
        told = (body.before, body.hash_before, body.after, body.hash_after)
        assert told == (*migrated, GENERATION, self.state_hash()), "the migrated state is not the one that was recorded"
        return Reason.NONE


def _in_hand(row: int, record: Record) -> str:
    """Name the commands that a failure at `row` may have come from: a cold one, or hot ones to the end of their run."""
    hot = record.batch.rows["kind"][row:] < COLD_FIRST
    run = len(hot) if hot.all() else max(1, int(hot.argmin()))
    first = record.first_seq + row
    return f"command {first}" if run == 1 else f"commands {first} to {first + run - 1}"


def _bodies(record: Record) -> list[bytes] | None:
    """Body of each row out of the blob, or None when no row has one."""
    blob = record.batch.blob
    if not blob:
        return None
    ends = np.cumsum(record.batch.rows["body_length"], dtype=np.int64).tolist()
    return [blob[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _decoded(row: np.void, raw: bytes) -> tuple[Body | None, Reason]:
    """The body of a cold row, or why it has none."""
    if int(row["kind"]) not in RULES:
        return None, Reason.KIND_UNKNOWN
    if row["version"] != ROW_VERSION:
        return None, Reason.VERSION_UNKNOWN
    if row["ref_form"] not in (RefForm.NONE, *identity.TEXT_FORMS):
        return None, Reason.REF_INVALID
    if len(raw) > BODY_BYTES_MAX:
        return None, Reason.BODY_INVALID
    try:
        return decode_body(int(row["kind"]), raw), Reason.NONE
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, Reason.BODY_INVALID


def _about(body: Body | None) -> tuple[int, int]:
    """(instrument, order) of a cold command's plain answers: what it names, as the event formats have it."""
    if isinstance(body, Bid):
        return getattr(body.offer, "lot", 0), body.sale
    return getattr(body, "instrument", 0), getattr(body, "sale", getattr(body, "award", 0))


def _refuse(turn: Turn, reason: Reason, instrument: int, order: int) -> None:
    """A late bid has an event of its own; every other refusal is REJECTED. Amounts are left out: a bid's is secret."""
    kind = EventKind.BID_LATE if reason == Reason.BID_LATE else EventKind.REJECTED
    turn.emit(kind, reason=reason, account=turn.account, instrument=instrument, order=order)
