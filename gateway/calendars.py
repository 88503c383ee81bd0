"""Calendars: weekly sessions in a time zone become rounds of moves at absolute times. Pure functions, no clock.

A calendar file names its time zone, its holidays and its sessions. A session lists moves at times of the local day, or
repeats a cycle of moves between two such times. `random_seconds` beside an uncross: it comes at a secret moment within
so much after its time. `day_end` is no move: the orders of the day end. A round is the smallest part that makes sense
alone: it ends with the uncross (or the closing) that its first move leads to, and is put into the log whole.

Local time to absolute time: an hour that occurs twice (clocks set back) means its first occurrence; an hour that does
not occur (clocks set forward) means the instant that the old offset gives, one hour later on the new clock. Moves of a
session stay in their order, at least a second apart. Cycles count elapsed seconds from the session's start.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from engine.codes import PHASE_MOVES, UNCROSS_FROM, UNCROSS_TO, Phase
from engine.limits import RANDOM_END_NS_MAX

SECOND_NS = 10**9
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# How far back to look for the last move: a cycle has one in an hour, a weekly calendar without holidays in eight days.
_LOOK_BACK_SECONDS = (3_600, 2 * 86_400, 8 * 86_400, 32 * 86_400)

ClockText = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$|^24:00$")]
PhaseName = Annotated[str, Meta(pattern=r"^(closed|pre_open|call|no_cancel|frozen|continuous|halted)$")]


RandomSeconds = Annotated[int, Meta(ge=0, le=RANDOM_END_NS_MAX // SECOND_NS)]


class Move(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One move at a local time: to `phase`, or by an uncross to `uncross`; or the end of the day."""

    at: ClockText
    phase: PhaseName | None = None
    uncross: PhaseName | None = None
    random_seconds: RandomSeconds = 0
    day_end: bool = False


class CycleMove(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One move, `after` seconds into each cycle."""

    after: Annotated[int, Meta(ge=0, le=86_400)]
    phase: PhaseName | None = None
    uncross: PhaseName | None = None
    random_seconds: RandomSeconds = 0
    day_end: bool = False


class Session(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """`moves` at local times, or a cycle of `every` seconds from `from` to `to`, then closed (unless that is 24:00)."""

    days: tuple[Annotated[str, Meta(pattern="^(" + "|".join(DAYS) + ")$")], ...]
    moves: tuple[Move, ...] = ()
    from_: ClockText | None = None
    to: ClockText | None = None
    every: Annotated[int, Meta(ge=10, le=86_400)] | None = None
    cycle: tuple[CycleMove, ...] = ()


class Holiday(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    date: date
    name: Annotated[str, Meta(min_length=1, max_length=64)]


class Calendar(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`version` names these rules in the log; raise it with every change. `hours_ahead`: how far in advance rounds are
    put into the log; an outage extends only what is in the log."""

    version: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    time_zone: Annotated[str, Meta(min_length=1, max_length=64)]
    holidays: tuple[Holiday, ...] = ()
    sessions: tuple[Session, ...]
    hours_ahead: Annotated[float, Meta(gt=0, le=48)] = 1.0


class Entry(NamedTuple):
    """One move at an absolute time."""

    due_ns: int
    phase: Phase  # CLOSED, and of no meaning, at the end of a day
    uncross: bool
    day_end: bool = False
    random_ns: int = 0  # the uncross comes within so much after `due_ns`


class Step(NamedTuple):
    """What a move does, whenever it is."""

    phase: Phase
    uncross: bool
    day_end: bool
    random_ns: int


Round = tuple[Entry, ...]


class CalendarError(ValueError):
    """A calendar that cannot be followed. `key` names the part of the file."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _step(move: Move | CycleMove, key: str) -> Step:
    if (move.phase is not None) + (move.uncross is not None) + move.day_end != 1:
        raise CalendarError(key, "give either `phase`, `uncross` or `day_end`")
    if move.random_seconds and move.uncross is None:
        raise CalendarError(key, "`random_seconds` belongs to an `uncross`")
    phase = Phase[(move.uncross or move.phase or "closed").upper()]
    return Step(phase, move.uncross is not None, move.day_end, move.random_seconds * SECOND_NS)


def _seconds(text: str) -> int:
    hours, minutes, seconds = ([int(part) for part in text.split(":")] + [0])[:3]
    return hours * 3600 + minutes * 60 + seconds


def _legal(state: Phase, phase: Phase, uncross: bool) -> bool:
    if uncross:
        return state in UNCROSS_FROM and phase in UNCROSS_TO
    return phase in PHASE_MOVES[state]


def _check_moves(state: Phase, steps: list[Step], key: str) -> Phase:
    for number, step in enumerate(steps):
        if step.day_end:
            continue
        if not _legal(state, step.phase, step.uncross):
            by = "by an uncross" if step.uncross else "by a move"
            raise CalendarError(
                f"{key}[{number}]", f"{step.phase.name.lower()} {by} cannot follow {state.name.lower()}"
            )
        state = step.phase
    return state


def _check_windows(times: list[int], steps: list[Step], key: str) -> None:
    """A random end is over before the next move."""
    for number, (step, (now, following)) in enumerate(zip(steps, pairwise(times), strict=False)):
        if now * SECOND_NS + step.random_ns > following * SECOND_NS:
            raise CalendarError(f"{key}[{number}].random_seconds", "reaches beyond the next move")


def check(calendar: Calendar) -> None:
    """Raise CalendarError unless every session can be followed from closed to closed with legal moves alone."""
    try:
        ZoneInfo(calendar.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CalendarError("time_zone", f"{calendar.time_zone!r} is not a time zone such as America/Lima") from error
    for index, session in enumerate(calendar.sessions):
        key = f"sessions[{index}]"
        if not session.days:
            raise CalendarError(f"{key}.days", "a session needs at least one day")
        if bool(session.moves) == bool(session.cycle):
            raise CalendarError(key, "give either `moves` or `cycle`")
        if session.moves:
            if session.from_ is not None or session.to is not None or session.every is not None:
                raise CalendarError(key, "`from`, `to` and `every` belong to a `cycle`")
            times = [_seconds(move.at) for move in session.moves]
            if any(b <= a for a, b in pairwise(times)):
                raise CalendarError(f"{key}.moves", "times must rise")
            steps = [_step(move, f"{key}.moves[{n}]") for n, move in enumerate(session.moves)]
            _check_windows(times, steps, f"{key}.moves")
            if _check_moves(Phase.CLOSED, steps, f"{key}.moves") is not Phase.CLOSED:
                raise CalendarError(f"{key}.moves", "a session must end closed")
            continue
        if session.from_ is None or session.to is None or session.every is None:
            raise CalendarError(key, "a `cycle` needs `from`, `to` and `every`")
        if _seconds(session.to) <= _seconds(session.from_):
            raise CalendarError(f"{key}.to", "must be later than `from`")
        offsets = [move.after for move in session.cycle]
        if any(b <= a for a, b in pairwise(offsets)) or offsets[-1] > session.every:
            raise CalendarError(f"{key}.cycle", "`after` must rise and stay within `every` seconds")
        if offsets[-1] - offsets[0] >= session.every:
            raise CalendarError(f"{key}.cycle", "a cycle must be shorter than `every` seconds")
        steps = [_step(move, f"{key}.cycle[{n}]") for n, move in enumerate(session.cycle)]
        state = _check_moves(Phase.CLOSED, steps, f"{key}.cycle")
        _check_moves(state, steps, f"{key}.cycle")
        _check_windows([*offsets, offsets[0] + session.every], steps, f"{key}.cycle")
        if not steps[-1].uncross:
            raise CalendarError(f"{key}.cycle", "a cycle must end with an uncross")


def _absolute_ns(day: date, seconds: int, zone: ZoneInfo) -> int:
    """UTC nanoseconds of a local time of day; the file's header says what happens when clocks change."""
    day += timedelta(days=seconds // 86_400)
    seconds %= 86_400
    local = datetime.combine(day, time(seconds // 3600, seconds // 60 % 60, seconds % 60), zone)
    return int(local.astimezone(UTC).timestamp()) * SECOND_NS


def _rounds(entries: list[Entry]) -> Iterator[Round]:
    """Cut a session's moves after each uncross and each closing."""
    start = 0
    for number, entry in enumerate(entries, 1):
        if number == len(entries) or (not entry.day_end and (entry.uncross or entry.phase is Phase.CLOSED)):
            yield tuple(entries[start:number])
            start = number


def _session_rounds(session: Session, day: date, zone: ZoneInfo, start_ns: int, end_ns: int) -> Iterator[Round]:
    if session.moves:
        entries: list[Entry] = []
        for move in session.moves:
            due_ns = _absolute_ns(day, _seconds(move.at), zone)
            if entries:
                due_ns = max(due_ns, entries[-1].due_ns + SECOND_NS)
            entries.append(Entry(due_ns, *_step(move, "")))
        yield from _rounds(entries)
        return
    assert session.from_ is not None and session.to is not None and session.every is not None, "checked"
    opens_ns = _absolute_ns(day, _seconds(session.from_), zone)
    closes_ns = _absolute_ns(day, _seconds(session.to), zone)
    every_ns = session.every * SECOND_NS
    steps = [(move.after * SECOND_NS, _step(move, "")) for move in session.cycle]
    # The rest of a long session lies outside what was asked for: begin at the cycle around start_ns.
    number = max(0, (start_ns - opens_ns) // every_ns - 1)
    while opens_ns + number * every_ns + steps[-1][0] <= closes_ns and opens_ns + number * every_ns < end_ns:
        base_ns = opens_ns + number * every_ns
        yield tuple(Entry(base_ns + after_ns, *step) for after_ns, step in steps)
        number += 1
    if session.to != "24:00":
        yield (Entry(closes_ns + SECOND_NS, Phase.CLOSED, False),)


def rounds(calendar: Calendar, start_ns: int, end_ns: int) -> list[Round]:
    """All rounds with a move at or after `start_ns` whose first move is before `end_ns`, by time."""
    zone = ZoneInfo(calendar.time_zone)
    closed = {holiday.date for holiday in calendar.holidays}
    day = datetime.fromtimestamp(start_ns // SECOND_NS, zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(end_ns // SECOND_NS, zone).date() + timedelta(days=1)
    found: list[Round] = []
    while day <= last:
        if day not in closed:
            for session in calendar.sessions:
                if DAYS[day.weekday()] in session.days:
                    found += _session_rounds(session, day, zone, start_ns, end_ns)
        day += timedelta(days=1)
    return sorted(r for r in found if r[-1].due_ns >= start_ns and r[0].due_ns < end_ns)


def phase_at(calendar: Calendar, at_ns: int) -> Phase:
    """The phase that the calendar means at a time: that of the last move at or before it, closed before any."""
    for back_seconds in _LOOK_BACK_SECONDS:
        since_ns = at_ns - back_seconds * SECOND_NS
        past = [
            entry
            for r in rounds(calendar, since_ns, at_ns + 1)
            for entry in r
            if entry.due_ns <= at_ns and not entry.day_end
        ]
        if past:
            return max(past).phase
    return Phase.CLOSED
