"""Cold registers of the venue: everything that is not an order book. Written by rules, read by gateways.

What is frozen is replaced, never altered, so a reader may keep it. Iteration that decides anything goes by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct
from sortedcontainers import SortedDict

from engine.codes import TimerKind
from engine.domain.instruments import Instrument
from engine.state.sales import Sale


class Account(Struct, frozen=True):
    account: int
    label: str
    kind: str


class Key(Struct, frozen=True):
    """What a bearer token may do; the register knows only the token's SHA-256."""

    account: int
    roles: int  # Role bits
    expires_ns: int  # 0: never


class Timer(Struct, frozen=True):
    """Something that happens at `due_ns` without a command of its own."""

    due_ns: int
    kind: TimerKind
    timer: int  # its id: rising in the order of setting
    subject: int = 0  # instrument of a calendar move, sale of a sale's timer
    phase: int = 0  # where a calendar move goes
    version: int = 0  # of the calendar


class Timers:
    """Timers in the order in which they fire: (due, kind, id)."""

    __slots__ = ("_by_due", "_by_id", "last_id")

    def __init__(self) -> None:
        self._by_due: SortedDict[tuple[int, int, int], Timer] = SortedDict()
        self._by_id: dict[int, Timer] = {}
        self.last_id = 0

    @classmethod
    def restored(cls, last_id: int, timers: list[Timer]) -> Timers:
        """As they were when `last_id` had been given out."""
        restored = cls()
        restored.last_id = last_id
        for timer in timers:
            restored._put(timer)
        return restored

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Timer]:
        return iter(self._by_due.values())

    def set(
        self, now_ns: int, due_ns: int, kind: TimerKind, *, subject: int = 0, phase: int = 0, version: int = 0
    ) -> Timer:
        """A new timer. Always due later than the command that sets it: a due one could never be missed."""
        assert due_ns > now_ns, f"timer {kind.name} due {due_ns} is not after {now_ns}"
        self.last_id += 1
        return self._put(Timer(due_ns, kind, self.last_id, subject, phase, version))

    def postpone(self, timer: Timer, due_ns: int) -> Timer:
        """The same timer (same id) with another due time."""
        self.cancel(timer.timer)
        return self._put(Timer(due_ns, timer.kind, timer.timer, timer.subject, timer.phase, timer.version))

    def cancel(self, timer: int) -> None:
        """Forget a timer by its id; one that fired or never was is no matter."""
        gone = self._by_id.pop(timer, None)
        if gone is not None:
            del self._by_due[(gone.due_ns, gone.kind, gone.timer)]

    def next_due(self) -> int | None:
        return self._by_due.peekitem(0)[0][0] if self._by_due else None

    def pop_due(self, now_ns: int) -> Timer | None:
        """Remove and return the first timer due at or before `now_ns`, or None."""
        due_ns = self.next_due()
        if due_ns is None or due_ns > now_ns:
            return None
        timer = self._by_due.peekitem(0)[1]
        self.cancel(timer.timer)
        return timer

    def _put(self, timer: Timer) -> Timer:
        self._by_due[(timer.due_ns, timer.kind, timer.timer)] = timer
        self._by_id[timer.timer] = timer
        return timer


class Remembered(Struct, frozen=True):
    """The first answer to a cold command with a text id."""

    body_hash: int  # u64 of kind and body
    seq: int
    ts_ns: int
    reason: int
    instrument: int  # as the first answer showed them
    order: int


RefKey = tuple[int, int, int, int]  # account, form, hi, lo


class Venue:
    """All cold registers of one shard."""

    __slots__ = (
        "accounts",
        "by_symbol",
        "calendars",
        "config_digest",
        "instruments",
        "keys",
        "name",
        "remembered",
        "remembered_of",
        "revoked_keys",
        "sales",
        "schedule_keys",
        "timers",
    )

    def __init__(self) -> None:
        self.name = ""
        self.config_digest = b""  # of the configuration that was applied last
        self.accounts: dict[int, Account] = {}
        self.keys: dict[bytes, Key] = {}  # by SHA-256 of the token
        self.revoked_keys: set[bytes] = set()  # never accepted again
        self.instruments: dict[int, Instrument] = {}
        self.by_symbol: dict[str, int] = {}
        self.calendars: dict[int, int] = {}  # instrument -> newest calendar version
        self.schedule_keys: set[tuple[int, int, int]] = set()  # (instrument, version, due_ns as first given)
        self.timers = Timers()
        self.sales: dict[int, Sale] = {}
        self.remembered: dict[RefKey, Remembered] = {}
        self.remembered_of: Counter[int] = Counter()  # how many of each account

    def remember(self, key: RefKey, first: Remembered) -> None:
        assert key not in self.remembered
        self.remembered[key] = first
        self.remembered_of[key[0]] += 1

    def forget(self, until_ns: int) -> None:
        """Forget what was answered at or before `until_ns`."""
        self.recall({key: first for key, first in self.remembered.items() if first.ts_ns > until_ns})

    def recall(self, remembered: dict[RefKey, Remembered]) -> None:
        """Remember these and nothing else."""
        self.remembered = remembered
        self.remembered_of = Counter(account for account, *_ in remembered)

    def instrument(self, symbol: str) -> Instrument | None:
        """The instrument with this symbol, or None."""
        found = self.by_symbol.get(symbol)
        return None if found is None else self.instruments[found]

    def moves_of(self, instrument: int) -> list[Timer]:
        """Calendar moves and uncrosses still to come for an instrument, soonest first."""
        calendar = (TimerKind.PHASE_MOVE, TimerKind.UNCROSS)
        return [timer for timer in self.timers if timer.kind in calendar and timer.subject == instrument]
