"""Generated flows of hot and cold commands, as lists of (seconds since the one before, batches of one record).

All is drawn from a `random.Random`: hypothesis hands out one that it can shrink (`mixed_flow`), long flows use a seeded
one (`seeded_flow`). Nothing that happened is looked at, so a flow can be cut and repeated at will.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

from engine.codes import CommandKind, OrderFlag, OrderType, Phase, RefForm, Side, StpMode, TimeInForce
from engine.messages import bodies
from engine.messages.batch import Batch, cold
from engine.messages.refs import stream_ref, text_ref
from tests.recorder import SECOND_NS, T0_NS, Recorder, auction_sale, bid_of, coffee, open_venue, order_row

CLASSED, COLLARED, DEPOSITED, UNLISTED = 1, 2, 3, 4  # instruments; more are listed from 5 on
ACCOUNTS = (1, 2, 3, 4, 5) * 5 + (6,)  # one more than are open
BIDDERS = (2, 3, 4, 5)  # in the sale that has an operator's approval
BOOKS = (CLASSED,) * 9 + (COLLARED,) * 5 + (DEPOSITED,) * 3 + (UNLISTED,)
FIRST_ORDER = 1 << 32
Flow = list[tuple[int, list[Batch]]]
Ref = tuple[int, int, int]


class Named(NamedTuple):
    """An order as it was drawn."""

    ref: Ref
    account: int
    book: int
    side: int
    type: OrderType


def open_markets(recorder: Recorder) -> None:
    """CLASSED in a call that a calendar will uncross, and again later, at a random end; COLLARED before its opening;
    DEPOSITED trades, with lots for all; accounts 1 and 2 of one group, 3 a co-op's; a sale on show."""
    open_venue(recorder, instruments=0)
    extended = {"collar_floor": 8, "extension_ns": 5 * SECOND_NS, "extensions_max": 2, "widen_bps": 5_000}
    recorder.do(
        coffee(CLASSED, classes=True),
        coffee(COLLARED, **extended, after_extensions="halt"),
        coffee(DEPOSITED, deposit=True, classes=True, currency="PEN"),
        *(bodies.Deposit(account, DEPOSITED, 60) for account in range(1, 6)),
        bodies.SetAccount(1, group=7),
        bodies.SetAccount(2, group=7),
        bodies.SetAccount(3, coop=True),
    )
    moves = ((30, Phase.CONTINUOUS, True), (90, Phase.CALL, False), (150, Phase.CLOSED, True), (200, Phase.CALL, False))
    entries = tuple(
        bodies.ScheduleEntry(
            recorder.ts_ns + after_s * SECOND_NS, phase, uncross,
            random_ns=20 * SECOND_NS * uncross, seed=bytes([after_s]) * 32 * uncross,
        )
        for after_s, phase, uncross in moves
    )  # fmt: skip
    recorder.do(
        bodies.SetPhase(CLASSED, Phase.CALL),
        bodies.SetPhase(COLLARED, Phase.PRE_OPEN),
        bodies.SetPhase(DEPOSITED, Phase.CALL),
        bodies.Uncross(DEPOSITED, Phase.CONTINUOUS),
        bodies.Schedule(CLASSED, 1, entries),
        auction_sale(recorder.ts_ns),
        auction_sale(
            recorder.ts_ns, 2, lots=3, scope="lot", approve_bids=True, registration="admission", normal_bids=True,
            agreement=b"a" * 32, stop_ns=recorder.ts_ns + 900 * SECOND_NS,
        ),
        *(cold(bodies.Register(2, b"a" * 32), account=account) for account in BIDDERS),
        *(bodies.Admit(2, account, True) for account in BIDDERS),
        *(bid_of(account, 2, 400 + 50 * account, sale=2) for account in BIDDERS),
    )  # fmt: skip


def mixed_flow() -> st.SearchStrategy[Flow]:
    """A few records of up to 60 commands, hot and cold mixed, over some minutes of venue time."""
    sizes = st.lists(st.tuples(st.integers(0, 120), st.integers(1, 60)), min_size=1, max_size=6)
    return st.builds(flow_of, st.randoms(use_true_random=False), sizes)


def seeded_flow(seed: int, records: int = 30) -> Flow:
    """A longer flow than hypothesis likes to draw: `records` of 1 to 30 commands."""
    random = Random(seed)
    return flow_of(random, [(random.randrange(25), random.randrange(1, 31)) for _ in range(records)])


def flow_of(random: Random, sizes: list[tuple[int, int]]) -> Flow:
    draws = Draws(random)
    flow = []
    for after_s, commands in sizes:
        draws.ts_ns += after_s * SECOND_NS
        flow.append((after_s, [draws.command() for _ in range(commands)]))
    return flow


class Draws:
    """Commands one after the other: half of them orders that meet, the rest changes, bids, calls, all that operators
    do, and the odd mistake."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.ts_ns = T0_NS
        self.named: list[Named] = []  # orders drawn so far, accepted or not
        self.later: list[bodies.Body] = []  # what will be drawn soon
        self.makers: tuple[Callable[[], Batch], ...] = (
            (self.order,) * 22 + (self.change,) * 10 + (self.bid,) * 4 + (self.call,) * 3 + (self.register,) * 3
            + (self.many, self.past, self.day)
        )  # fmt: skip

    def command(self) -> Batch:
        if self.later and self.random.randrange(12) == 0:
            return cold(self.later.pop(0))
        return self.random.choice(self.makers)()

    # Orders

    def ref(self) -> Ref:
        form = self.random.randrange(10)
        if form < 3:
            return (0, 0, 0)
        if form < 5:
            return stream_ref(self.random.randrange(2), len(self.named) + self.random.randrange(4))
        return text_ref(f"id-{self.random.randrange(400)}")

    def price(self) -> int:
        return self.random.randrange(6_690, 6_720)

    def order(self) -> Batch:
        """NEW near the reference, of any type, mostly with terms that go together."""
        random = self.random
        type_ = random.choice((OrderType.LIMIT,) * 8 + tuple(OrderType))
        named = Named(self.ref(), random.choice(ACCOUNTS), random.choice(BOOKS), random.randrange(2), type_)
        self.named.append(named)
        return self._entered(CommandKind.NEW, named, ref=named.ref)

    def change(self) -> Batch:
        """CANCEL, REPLACE or AMEND of one of the last orders, by its text id where it has one, else by a guess."""
        random = self.random
        kind = random.choice((CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.AMEND))
        named = random.choice(self.named[-40:] or [Named((0, 0, 0), 1, CLASSED, 0, OrderType.LIMIT)])
        form, hi, lo = named.ref
        texts = form == RefForm.TEXT
        order = 0 if texts else FIRST_ORDER + random.randrange(len(self.named) + 1)
        if kind == CommandKind.CANCEL:
            ref = named.ref if texts else (0, 0, 0)
            return order_row(named.account, Side.BUY, 0, 0, kind=kind, instrument=named.book, order=order, ref=ref)
        target = {"target_form": form, "target_hi": hi, "target_lo": lo} if texts else {}
        if kind == CommandKind.REPLACE:
            return self._entered(kind, named, order=order, ref=self.ref(), **target)
        return order_row(
            named.account, Side.BUY, 0, random.randrange(0, 50), kind=kind, instrument=named.book, order=order,
            ref=self.ref(), **target,
        )  # fmt: skip

    def _entered(self, kind: CommandKind, named: Named, **more: Any) -> Batch:
        random, type_ = self.random, named.type
        stop = type_ in (OrderType.STOP, OrderType.STOP_LIMIT)
        unpriced = type_ in (OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP)
        lasting = (TimeInForce.GTC,) * 5 + (TimeInForce.DAY, TimeInForce.GTD)
        whole = not stop and type_ != OrderType.ICEBERG
        tif = random.choice(lasting + (tuple(TimeInForce) if whole else ()))
        stp = random.choice((StpMode.NONE,) * 3 + tuple(StpMode))
        flags = OrderFlag.STP_GROUP if stp and random.randrange(2) else 0
        if type_ == OrderType.LIMIT and tif in lasting and random.randrange(8) == 0:
            flags |= random.choice((OrderFlag.POST_ONLY, OrderFlag.POST_ONLY | OrderFlag.SLIDE, OrderFlag.ALL_OR_NONE))
        qty = random.randrange(1, 40)
        if stop:
            more["stop_price"] = self.price()
        if type_ == OrderType.ICEBERG:
            more["display_qty"] = random.randrange(1, qty + 1)
        if tif == TimeInForce.GTD:
            more["expire_at"] = self.ts_ns + random.randrange(-2, 90) * SECOND_NS
        if whole and random.randrange(15) == 0:
            more["min_qty"] = random.randrange(qty + 2)
        return order_row(
            named.account, Side(named.side), 0 if unpriced else self.price(), qty, kind=kind, instrument=named.book,
            type=type_, tif=tif, flags=flags, stp=stp, **more,
        )  # fmt: skip

    # Sales, calls, days

    def bid(self) -> Batch:
        random = self.random
        named = f"bid-{random.randrange(40)}" if random.randrange(2) else None
        maximum = random.choice((400 + 10 * random.randrange(-1, 40), 405))
        account, lot = random.choice(ACCOUNTS), random.randrange(1, 4)
        if random.randrange(4):
            return bid_of(account, lot, maximum, client_id=named)
        form = random.randrange(6)
        if form == 0:
            return cold(bodies.Register(2, random.choice((b"a", b"a", b"b")) * 32), account=account)
        if form == 1:
            return cold(bodies.Admit(2, account, random.randrange(5) > 0, random.choice((0, 0, 10**6))))
        if form == 2:
            return cold(
                bodies.DecideBid(2, random.choice((*range(34, 40), random.randrange(60, 500))), random.randrange(2) > 0)
            )
        return bid_of(account, lot, maximum, sale=2, normal=random.randrange(3) == 0)

    def call(self) -> Batch:
        """A whole call, most often; or any move."""
        random, book = self.random, self.random.choice(BOOKS)
        form = random.randrange(6)
        if form == 0:
            return cold(bodies.SetPhase(book, random.choice(tuple(Phase))))
        phase = random.choice((Phase.CONTINUOUS,) * 4 + (Phase.CLOSED,))
        uncross = bodies.Uncross(book, phase, random.randrange(4) == 0)
        if form == 1:
            return cold(uncross)
        self.later.append(uncross)
        return cold(bodies.SetPhase(book, Phase.CALL))

    def day(self) -> Batch:
        """A calendar of any kind, or nothing but time."""
        random = self.random
        if random.randrange(3) == 0:
            return cold(bodies.Time())
        entries = tuple(self._entry() for _ in range(random.randrange(1, 5)))
        return cold(bodies.Schedule(random.choice(BOOKS), random.randrange(1, 4), entries))

    def _entry(self) -> bodies.ScheduleEntry:
        random = self.random
        due_ns = self.ts_ns + random.randrange(-5, 120) * SECOND_NS
        form = random.randrange(6)
        if form == 0:
            return bodies.ScheduleEntry(due_ns, 0, day_end=True)
        if form == 1:
            window = {"random_ns": random.randrange(1, 30 * SECOND_NS), "seed": random.randbytes(32)}
            return bodies.ScheduleEntry(due_ns, random.choice((Phase.CONTINUOUS, Phase.CLOSED)), True, **window)
        return bodies.ScheduleEntry(due_ns, random.choice(tuple(Phase)), form == 2)

    # Operators

    def register(self) -> Batch:
        random, pick = self.random, self.random.choice
        account, book = pick(ACCOUNTS), pick(BOOKS)
        makers: tuple[Callable[[], bodies.Body], ...] = (
            lambda: bodies.SetAccount(account, group=pick((None, 0, 7, 8)), coop=pick((None, True, False))),
            lambda: bodies.SetAccount(
                account, frozen=pick((True, False, False, False)), cancel=random.randrange(9) == 0
            ),
            lambda: bodies.SetLimits(
                account,
                pick(("USD", "USD", "PEN", "EUR")),
                pick((0, 500_000, 2**62)),
                pick((0, 500_000)),
                pick((0, 4, 20)),
            ),
            lambda: bodies.Deposit(account, pick((DEPOSITED, DEPOSITED, book)), random.randrange(-60, 90)),
            lambda: bodies.SetReference(book, pick((None, self.price(), self.price()))),
            lambda: bodies.ChangeInstrument(
                book,
                qty_max=pick((None, 30, 10**6)),
                reference=pick((None, self.price())),
                collar_floor=pick((None, 0, 5, 12)),
                collar_bps=pick((None, 0, 20)),
                rules=pick(
                    (
                        None,
                        "xetra",
                        "harvest",
                        "harvest_pro_rata",
                        "nse",
                        "bnb_four_step_5pct",
                        "cme_iop_top_order",
                        "iex",
                    )
                ),
                after_extensions=pick((None, "print", "halt")),
            ),
            lambda: coffee(
                random.randrange(1, 8), classes=bool(random.randrange(2)), currency=pick(("USD", "PEN", "EUR"))
            ),
            lambda: bodies.DelistInstrument(pick((CLASSED, COLLARED, 5, 6, 7))),
        )
        return cold(pick(makers)())

    def many(self) -> Batch:
        """Many orders at once: own, an operator's, the dead-man switch, the kill switch."""
        random, pick = self.random, self.random.choice
        account = pick(ACCOUNTS)
        form = random.randrange(8)
        if form < 3:
            asked = bodies.MassCancel(pick((0, 0, account, 2)), pick((0, *BOOKS)), pick((None, None, 0, 1)))
            ref = self.ref()
            return cold(asked, account=account, ref=ref if ref[0] == RefForm.TEXT else (0, 0, 0))
        if form == 3:
            return cold(bodies.MassCancel(account, pick((0, *BOOKS)), pick((None, 0, 1)), by_operator=True))
        if form < 6:
            return cold(
                bodies.CancelAfter(pick((0, 1, 10 * SECOND_NS, 60 * SECOND_NS))), account=pick((account, account, 0))
            )
        self.later.insert(0, bodies.KillSwitch(False))
        return cold(bodies.KillSwitch(random.randrange(4) > 0, "drill", random.randrange(6) == 0))

    def past(self) -> Batch:
        """A bust or a correction of what may have been a trade."""
        random, pick = self.random, self.random.choice
        terms = (
            random.randrange(10, 40),
            0,
            pick((CLASSED, DEPOSITED, DEPOSITED, UNLISTED)),
            6_700,
            random.randrange(1, 4),
        )
        parties = pick(ACCOUNTS), pick(ACCOUNTS)
        if random.randrange(2):
            return cold(bodies.BustTrade(*terms, *parties))
        return cold(bodies.CorrectTrade(*terms, *parties, pick((6_700, self.price())), random.randrange(1, 4)))
