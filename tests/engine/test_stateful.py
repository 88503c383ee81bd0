"""Books of every kind as a hypothesis state machine: oracle and two shapes of the kernel answer every call alike.

The values are few, so that orders meet, stops cascade and a failure shrinks to what a reader can follow.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from engine.codes import CommandKind, EventKind, OrderType, Phase, Reason, StpMode, TimeInForce
from engine.limits import CLIENT_ID_MEMORY_NS, PRICE_TICKS_MAX, WINDOW_TICKS_MIN
from engine.oracle.books import Books as Oracle
from engine.oracle.orders import STOP_TYPES, UNPRICED_TYPES
from engine.state.books import Books
from engine.state.hot import SIDE_BOTH, TIF_ANY, Hot, Space, Which
from tests.engine.book_flows import PARTIES, Batch, Twins, furnished
from tests.engine.draws import best_uncross

SPACES = [Space(), Space(orders=12, slots_initial=2), Space(slots_initial=3, generations=2, orders=30)]
ACCOUNTS = st.sampled_from(sorted(PARTIES))
BOOKS = st.sampled_from([1, 1, 1, 3, 5])
SIDES = st.integers(0, 1)
PRICES = st.integers(97, 103) | st.sampled_from([1, 170, 5_000])
QTYS = st.integers(1, 12)
FLAGS = st.sampled_from([0, 0, 0, 1, 3, 4, 8])
TIFS = st.sampled_from(TimeInForce)
STPS = st.sampled_from([StpMode.NONE, *StpMode])
PHASES = st.sampled_from([*Phase, Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.CALL])
TEXTS = st.sampled_from(["a", "b", "a-client-id-of-32-characters-000"])
REFS = st.none() | TEXTS
COLLARS = st.sampled_from([(-PRICE_TICKS_MAX, PRICE_TICKS_MAX), (98, 102), (100, 100)])


def every_hot(space: Space) -> list[Hot]:
    return [Oracle(space), Books(space, window_ticks=WINDOW_TICKS_MIN, event_rows=2, hash_seed=9), Books(space)]


class CompleteBooks(RuleBasedStateMachine):
    orders = Bundle("orders")  # (order, account, instrument, side, type), open or ended

    @initialize(space=st.sampled_from(SPACES), phase=st.sampled_from([Phase.CONTINUOUS, Phase.CALL]))
    def open(self, space, phase):
        self.space = space
        self.twins = Twins(*(furnished(hot, phase) for hot in every_hot(space)), compare_every=4)

    def row(self, kind: int, ref: str | None, **fields):
        if ref is not None:
            fields["ref"] = ref
        return self.twins.run(Batch().add(kind, **fields))

    @staticmethod
    def terms(type_, price, stop_price, qty, part, tif, flags, stp, after, now):
        """Fields that its type has; what is left to conflict, conflicts."""
        fields = dict(type=type_, qty=qty, tif=tif, flags=flags if stp else flags & ~8, stp=stp)
        fields["price"] = 0 if type_ in UNPRICED_TYPES else price
        if type_ in STOP_TYPES:
            fields["stop_price"] = stop_price
        elif type_ == OrderType.ICEBERG:
            fields["display_qty"] = max(1, part)
        elif part % 3 == 2:
            fields["min_qty"] = part
        if tif == TimeInForce.GTD:
            fields["expire_at"] = now + after
        return fields

    TERMS = dict(type_=st.sampled_from(OrderType), price=PRICES, stop_price=PRICES, qty=QTYS, part=st.integers(0, 5),
                 tif=TIFS, flags=FLAGS, stp=STPS, after=st.integers(0, 6))  # fmt: skip

    @rule(target=orders, account=ACCOUNTS, book=BOOKS, side=SIDES, ref=REFS, **TERMS)
    def new(self, account, book, side, ref, **terms):
        fields = self.terms(**terms, now=self.twins.ts_ns + 1)
        events = self.row(CommandKind.NEW, ref, account=account, instrument=book, side=side, **fields)
        if events[0]["kind"] != EventKind.ACCEPTED:
            return multiple()
        return int(events[0]["order"]), account, book, side, terms["type_"]

    @rule(order=orders, ref=REFS, elected=st.booleans(), **TERMS)
    def replace(self, order, ref, elected, **terms):
        number, account, book, side, type_ = order
        if elected:  # what a stop becomes, or an order that an uncross gave a price
            type_ = OrderType.MARKET if type_ == OrderType.STOP else OrderType.LIMIT
        fields = self.terms(**terms | {"type_": type_}, now=self.twins.ts_ns + 1)
        self.row(CommandKind.REPLACE, ref, order=number, account=account, instrument=book, side=side, **fields)

    @rule(order=orders, ref=REFS, qty=st.integers(0, 15))
    def amend(self, order, ref, qty):
        self.row(CommandKind.AMEND, ref, order=order[0], account=order[1], instrument=order[2], qty=qty)

    @rule(order=orders)
    def cancel(self, order):
        self.row(CommandKind.CANCEL, None, order=order[0], account=order[1], instrument=order[2])

    @rule(account=ACCOUNTS, book=BOOKS, text=TEXTS, qty=st.integers(0, 9), kind=st.sampled_from([2, 4]))
    def by_text(self, account, book, text, qty, kind):
        if kind == CommandKind.CANCEL:
            self.row(kind, text, account=account, instrument=book)
        else:
            self.row(kind, None, account=account, instrument=book, qty=qty, target=text)

    @rule(book=BOOKS, phase=PHASES)
    def move(self, book, phase):
        self.twins.do("set_phase", book, phase)

    @rule(book=BOOKS, then=st.sampled_from([Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.CLOSED, None]))
    def uncross(self, book, then):
        self.twins.uncross(book, *best_uncross(self.twins.first, book), then)

    @rule(book=BOOKS, price=st.none() | PRICES)
    def uncross_without_volume(self, book, price):
        self.twins.uncross(book, price, 0)

    @rule(book=BOOKS, collar=COLLARS)
    def collar(self, book, collar):
        self.twins.do("set_collar", book, *collar)

    @rule(ns=st.sampled_from([1, 3, CLIENT_ID_MEMORY_NS]))
    def time_passes(self, ns):
        self.twins.sweep(ns)
        self.twins.expire()

    @rule(
        account=ACCOUNTS, book=st.just(0) | BOOKS, side=st.sampled_from([SIDE_BOTH, 0, 1]), tif=st.just(TIF_ANY) | TIFS
    )
    def mass_cancel(self, account, book, side, tif):
        self.twins.told("cancel", Which(account, book, side, tif), Reason.BY_MASS_CANCEL)

    @rule(book=BOOKS)
    def end_of_day(self, book):
        self.twins.told("cancel", Which(instrument=book, tif=TimeInForce.DAY), Reason.DAY_ENDED)

    @rule(account=ACCOUNTS, frozen=st.booleans())
    def freeze(self, account, frozen):
        rows = self.twins.first.sections()["accounts"]
        row = rows[rows["account"] == account][0]
        self.twins.do("set_account", account, frozen=frozen, group=int(row["group"]), coop=bool(row["coop"]))

    @rule(stopped=st.booleans())
    def switch(self, stopped):
        self.twins.do("set_stopped", stopped)

    @rule(account=ACCOUNTS, currency=SIDES, buy=st.sampled_from([0, 900]), sell=st.sampled_from([0, 900]),
          orders=st.sampled_from([0, 2]))  # fmt: skip
    def limits(self, account, currency, buy, sell, orders):
        self.twins.do("set_limits", account, currency, buy_max=buy, sell_max=sell, orders_max=orders)
        self.twins.ask("limits_of", account, currency)

    @rule(account=ACCOUNTS, other=ACCOUNTS, lots=st.sampled_from([-1_000, -5, 5]))
    def stock(self, account, other, lots):
        self.twins.do("add_stock", account, 5, lots)
        self.twins.do("move_stock", 5, account, other, abs(lots))
        self.twins.ask("stock_of", account, 5)

    @rule()
    def start_again(self):
        self.twins.reload(every_hot(self.space))

    def teardown(self):
        if hasattr(self, "twins"):
            self.twins.compare()
            self.twins.compare_readers(("a", "b"))


SETTINGS = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestCompleteBooks = CompleteBooks.TestCase
TestCompleteBooks.settings = SETTINGS
