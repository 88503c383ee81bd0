"""Cold registers of the venue: everything that is not an order book. Written by rules, read by gateways.

What is frozen is replaced, never altered, so a reader may keep it. Iteration that decides anything goes by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, structs
from sortedcontainers import SortedDict

from engine.codes import TimerKind
from engine.domain.instruments import Instrument
from engine.state.catalogue import Described, Season
from engine.state.sales.awards import Award
from engine.state.sales.sale import Sale

# Timers that an outage moves, and that stand still while the kill switch is on.
EXTENDED = frozenset(
    {
        TimerKind.PHASE_MOVE,
        TimerKind.UNCROSS,
        TimerKind.SALE_OPEN_UNTIL,
        TimerKind.SALE_CLOCK,
        TimerKind.SALE_STAGE,
        TimerKind.SALE_ROUND,
        TimerKind.AWARD_DUE,
    }
)
CALENDAR = frozenset({TimerKind.PHASE_MOVE, TimerKind.UNCROSS, TimerKind.DAY_END})


class Account(Struct, frozen=True):
    account: int
    label: str
    kind: str
    group: int = 0  # accounts of one owner; 0: none
    coop: bool = False
    frozen: bool = False


class AccountLimits(Struct, frozen=True):
    """What an account may have open in one currency; 0: no limit."""

    buy_max: int
    sell_max: int
    orders_max: int


class Extension(Struct, frozen=True):
    """A call that found a price outside its corridor."""

    count: int  # extensions so far
    timer: int  # of the uncross to come


class Stop(Struct, frozen=True):
    """The kill switch is on."""

    since_ns: int
    why: str


class Correction(Struct, frozen=True):
    """A trade of the past as it stands now."""

    instrument: int
    price: int
    qty: int
    buyer: int
    seller: int
    busted: bool


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
    subject: int = 0  # instrument of a calendar move, sale of a sale's timer, account of a CANCEL_AFTER
    phase: int = 0  # where a calendar move goes
    version: int = 0  # of the calendar
    random_ns: int = 0  # of an uncross with a random end: `due_ns` is secret, within so much after `announced_ns`
    announced_ns: int = 0
    seed: bytes = b""


class Held(Struct, frozen=True):
    """A timer that stands still."""

    timer: Timer
    since_ns: int


class Move(NamedTuple):
    """A calendar move to come, as anybody may see it."""

    due_ns: int  # of a random end: the announced time
    kind: TimerKind  # PHASE_MOVE or UNCROSS
    instrument: int
    phase: int
    random_ns: int  # within so much after `due_ns`; 0: at it


class Timers:
    """Timers in the order in which they fire: (due, kind, id). Iteration leaves out those that stand still."""

    __slots__ = ("_by_due", "_by_id", "_held", "_of_calendar", "holding", "last_id", "seeds")

    def __init__(self) -> None:
        self._by_due: SortedDict[tuple[int, int, int], Timer] = SortedDict()
        self._by_id: dict[int, Timer] = {}
        self._held: dict[int, Held] = {}
        self._of_calendar: dict[int, dict[int, Timer]] = {}  # instrument -> id -> timer, those that stand still too
        self.holding = False  # timers of EXTENDED stand still
        self.seeds: set[bytes] = set()  # of all random ends to come
        self.last_id = 0

    @classmethod
    def restored(cls, last_id: int, timers: list[Timer], held: list[Held], holding: bool) -> Timers:
        """As they were when `last_id` had been given out."""
        restored = cls()
        restored.last_id, restored.holding = last_id, holding
        for timer in timers:
            restored._put(timer)
        for one in held:
            restored._hold(one)
        return restored

    def __len__(self) -> int:
        return len(self._by_id) + len(self._held)

    def __iter__(self) -> Iterator[Timer]:
        return iter(self._by_due.values())

    @property
    def held(self) -> list[Held]:
        """Those that stand still, in the order in which they would have fired."""
        return sorted(self._held.values(), key=lambda one: (one.timer.due_ns, one.timer.kind, one.timer.timer))

    def of_calendar(self, instrument: int) -> list[Timer]:
        """Moves, uncrosses and ends of days of an instrument, soonest first; those that stand still too."""
        return sorted(self._of_calendar.get(instrument, {}).values(), key=lambda one: (one.due_ns, one.kind, one.timer))

    def with_calendar(self) -> list[int]:
        """Instruments that have any, rising."""
        return sorted(self._of_calendar)

    def set(
        self, now_ns: int, due_ns: int, kind: TimerKind, *, subject: int = 0, phase: int = 0, version: int = 0,
        random_ns: int = 0, announced_ns: int = 0, seed: bytes = b"",
    ) -> Timer:  # fmt: skip
        """A new timer. Always due later than the command that sets it: a due one could never be missed."""
        assert due_ns > now_ns, f"timer {kind.name} due {due_ns} is not after {now_ns}"
        self.last_id += 1
        timer = Timer(due_ns, kind, self.last_id, subject, phase, version, random_ns, announced_ns, seed)
        return self._hold(Held(timer, now_ns)) if self.holding and kind in EXTENDED else self._put(timer)

    def postpone(self, timer: Timer, due_ns: int) -> Timer:
        """The same timer (same id) with another due time; its announced time moves with it."""
        self.cancel(timer.timer)
        announced_ns = timer.announced_ns and timer.announced_ns + due_ns - timer.due_ns
        return self._put(structs.replace(timer, due_ns=due_ns, announced_ns=announced_ns))

    def cancel(self, timer: int) -> None:
        """Forget a timer by its id; one that fired or never was is no matter."""
        gone = self._by_id.pop(timer, None)
        if gone is not None:
            del self._by_due[(gone.due_ns, gone.kind, gone.timer)]
        elif (held := self._held.pop(timer, None)) is not None:
            gone = held.timer
        else:
            return
        self.seeds.discard(gone.seed)
        if gone.kind in CALENDAR:
            own = self._of_calendar[gone.subject]
            del own[timer]
            if not own:
                del self._of_calendar[gone.subject]

    def hold(self, now_ns: int) -> None:
        """From here on timers of EXTENDED stand still, those that are set meanwhile too."""
        self.holding = True
        for timer in [timer for timer in self if timer.kind in EXTENDED]:
            self.cancel(timer.timer)
            self._hold(Held(timer, now_ns))

    def release(self) -> list[Held]:
        """They go on. Returns those that stood still, in the order in which they would have fired; each waits again,
        with its old due time, until the caller says what becomes of it."""
        self.holding = False
        released = self.held
        for one in released:
            self.cancel(one.timer.timer)
            self._put(one.timer)
        return released

    def due_of(self, timer: int) -> int:
        """When a timer that does not stand still fires. Raises KeyError."""
        return self._by_id[timer].due_ns

    def next_due(self) -> int | None:
        return self._by_due.peekitem(0)[0][0] if self._by_due else None

    def peek(self) -> Timer | None:
        """The first to fire, or None."""
        return self._by_due.peekitem(0)[1] if self._by_due else None

    def _put(self, timer: Timer) -> Timer:
        self._by_due[(timer.due_ns, timer.kind, timer.timer)] = timer
        self._by_id[timer.timer] = timer
        return self._noted(timer)

    def _hold(self, one: Held) -> Timer:
        self._held[one.timer.timer] = one
        return self._noted(one.timer)

    def _noted(self, timer: Timer) -> Timer:
        if timer.seed:
            self.seeds.add(timer.seed)
        if timer.kind in CALENDAR:
            self._of_calendar.setdefault(timer.subject, {})[timer.timer] = timer
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
        "account_limits",
        "accounts",
        "auction_lots",
        "awards",
        "by_symbol",
        "calendars",
        "cancel_after",
        "config_digest",
        "corrections",
        "currencies",
        "delisted",
        "extensions",
        "instruments",
        "keys",
        "name",
        "remembered",
        "remembered_of",
        "revoked_keys",
        "sales",
        "schedule_keys",
        "seasons",
        "stop",
        "timers",
    )

    def __init__(self) -> None:
        self.name = ""
        self.config_digest = b""  # of the configuration that was applied last
        self.accounts: dict[int, Account] = {}
        self.keys: dict[bytes, Key] = {}  # by SHA-256 of the token
        self.revoked_keys: set[bytes] = set()  # never accepted again
        self.account_limits: dict[tuple[int, int], AccountLimits] = {}  # (account, currency): those that limit anything
        self.instruments: dict[int, Instrument] = {}
        self.delisted: dict[int, Instrument] = {}  # as they were at their end
        self.by_symbol: dict[str, int] = {}  # of either
        self.currencies: dict[str, int] = {}  # a small number for each, from 1, by first listing
        self.calendars: dict[int, int] = {}  # instrument -> newest calendar version
        self.schedule_keys: set[tuple[int, int, int]] = set()  # (instrument, version, due_ns as first given)
        self.extensions: dict[int, Extension] = {}  # instrument -> of the call that it is in
        self.cancel_after: dict[int, int] = {}  # account -> timer
        self.stop: Stop | None = None
        self.corrections: dict[tuple[int, int], Correction] = {}  # by the name of the fill: (seq, index)
        self.timers = Timers()
        self.sales: dict[int, Sale] = {}
        self.awards: dict[int, Award] = {}  # of all sales, by number from 1
        self.auction_lots: dict[int, Described] = {}  # the catalogue, by number
        self.seasons: dict[int, Season] = {}
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
        return None if found is None else self.instruments.get(found)

    def cancel_after_due(self, account: int) -> int:
        """When the orders of an account will be cancelled unless it is heard of; 0: never."""
        timer = self.cancel_after.get(account)
        return 0 if timer is None else self.timers.due_of(timer)

    def moves(self) -> list[Move]:
        """Calendar moves and uncrosses still to come, soonest first, as anybody may see them."""
        return sorted(move for instrument in self.timers.with_calendar() for move in self.moves_of(instrument))

    def moves_of(self, instrument: int) -> list[Move]:
        """Those of one instrument."""
        return sorted(
            Move(timer.announced_ns or timer.due_ns, timer.kind, timer.subject, timer.phase, timer.random_ns)
            for timer in self.timers.of_calendar(instrument)
            if timer.kind != TimerKind.DAY_END
        )
