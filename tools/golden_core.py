"""Scenes of the complete core for the golden venue: each command of generation 3 does something, and much of it is
under way when the snapshots are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.codes import EventFlag, EventKind, OrderType, Phase, Reason, Side, TimeInForce
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.refs import text_ref
from engine.messages.sales.english import EnglishOffer
from tests.recorder import SECOND_NS, coffee, order_row

if TYPE_CHECKING:
    from tools.make_golden import Writer

STOCK_BOOK, VOLATILE_BOOK, ENDED_BOOK = 5, 6, 7
SELLER, BUYER, COOP = 10, 11, 12
HOUR_NS = 3600 * SECOND_NS


def kinds(events: np.ndarray) -> set[int]:
    return set(events["kind"].tolist())


def registers(writer: Writer) -> None:
    """Groups, classes, limits, a freeze; a book that keeps stock, one that is volatile, one that ends."""
    volatile = {"collar_floor": 8, "collar_bps": 10, "extension_ns": 60 * SECOND_NS, "extensions_max": 2}
    writer.do(
        bodies.SetAccount(SELLER, group=7),
        bodies.SetAccount(BUYER, group=7),
        bodies.SetAccount(COOP, coop=True),
        coffee(STOCK_BOOK, symbol="STOCK", deposit=True, classes=True, currency="PEN", multiplier=3),
        coffee(VOLATILE_BOOK, symbol="VOLATILE", **volatile, widen_bps=5_000, after_extensions="halt"),
        coffee(ENDED_BOOK, symbol="ENDED", deposit=True),
        bodies.Deposit(SELLER, STOCK_BOOK, 500, "first delivery"),
        bodies.Deposit(COOP, STOCK_BOOK, 500),
        bodies.Deposit(SELLER, STOCK_BOOK, -20),
        bodies.Deposit(SELLER, ENDED_BOOK, 10),
        bodies.SetLimits(BUYER, "PEN", buy_max=10**9, orders_max=200),
        bodies.SetLimits(14, "USD", sell_max=10**9),
        bodies.SetLimits(14, "EUR", sell_max=1),
        bodies.SetPhase(STOCK_BOOK, Phase.CALL),
        bodies.SetPhase(VOLATILE_BOOK, Phase.CALL),
        bodies.SetPhase(ENDED_BOOK, Phase.CALL),
    )
    events = writer.do(
        order_row(13, Side.BUY, 6_705, 10, instrument=STOCK_BOOK),
        order_row(COOP, Side.BUY, 6_705, 10, instrument=STOCK_BOOK),
        order_row(SELLER, Side.SELL, 6_705, 12, instrument=STOCK_BOOK),
        bodies.Uncross(STOCK_BOOK, Phase.CONTINUOUS),
    )
    assert EventKind.CLASS_REPORT in kinds(events)
    writer.do(
        order_row(SELLER, Side.SELL, 6_750, 10, instrument=ENDED_BOOK),
        order_row(15, Side.BUY, 6_650, 10, instrument=ENDED_BOOK, tif=TimeInForce.DAY),
        order_row(15, Side.BUY, 6_650, 10, instrument=VOLATILE_BOOK),
        bodies.SetAccount(15, frozen=True, cancel=True, why="no longer a member"),
        order_row(15, Side.BUY, 6_650, 10, instrument=VOLATILE_BOOK),
        bodies.SetAccount(15, frozen=False),
        bodies.SetPhase(ENDED_BOOK, Phase.HALTED),
        bodies.DelistInstrument(ENDED_BOOK, "no harvest"),
        bodies.ChangeInstrument(STOCK_BOOK, name="Peru washed, in store", qty_max=400, collar_bps=300),
    )


def corrections(writer: Writer) -> None:
    """A trade of stock is corrected, then busted; another is corrected and stays so."""
    names = []
    for _ in range(2):
        writer.do(order_row(SELLER, Side.SELL, 6_720, 12, instrument=STOCK_BOOK))
        events = writer.do(order_row(13, Side.BUY, 6_720, 300, instrument=STOCK_BOOK, tif=TimeInForce.IOC))
        at = np.flatnonzero((events["kind"] == EventKind.FILL) & (events["counter_account"] == SELLER))[-1]
        fill = events[at]
        seq = writer.kernel.machine.seq
        names.append((seq, int(fill["index"]), STOCK_BOOK, int(fill["price"]), int(fill["qty"]), 13, SELLER))
    first, second = names
    told = writer.do(
        bodies.CorrectTrade(*first, first[3] - 20, first[4] - 1, "weighed again"),
        bodies.BustTrade(*first[:3], first[3] - 20, first[4] - 1, *first[5:], "never delivered"),
        bodies.BustTrade(*first, "again"),
        bodies.CorrectTrade(*second, second[3] + 5, second[4]),
    )
    assert told["kind"].tolist() == [
        EventKind.TRADE_CORRECTED, EventKind.TRADE_BUSTED, EventKind.REJECTED, EventKind.TRADE_CORRECTED
    ]  # fmt: skip
    assert told["reason"][2] == Reason.ALREADY_BUSTED


def outside(writer: Writer, price: int = 7_000) -> None:
    """The volatile book's call finds a price outside its corridor."""
    call = VOLATILE_BOOK
    writer.do(order_row(13, Side.BUY, price, 5, instrument=call), order_row(14, Side.SELL, price, 5, instrument=call))
    assert kinds(writer.do(bodies.Uncross(call, Phase.CONTINUOUS))) == {EventKind.CALL_EXTENDED}


def volatile(writer: Writer) -> None:
    """The book's call is extended twice, held, forced."""
    call = VOLATILE_BOOK
    outside(writer)
    assert EventKind.CALL_EXTENDED in kinds(writer.do(bodies.Time(), after_s=60))
    assert EventKind.CALL_HELD in kinds(writer.do(bodies.Time(), after_s=60))
    writer.do(bodies.SetPhase(call, Phase.CALL))
    assert EventKind.FILL in kinds(writer.do(bodies.Uncross(call, Phase.CONTINUOUS, force=True)))
    writer.do(bodies.SetPhase(call, Phase.CALL))


def random_end(writer: Writer, book: int, version: int, *, after_s: int, seed: bytes) -> None:
    """A call of which only the window of its end is known."""
    due_ns = writer.ts_ns + after_s * SECOND_NS
    entry = bodies.ScheduleEntry(due_ns, Phase.CONTINUOUS, True, random_ns=30 * SECOND_NS, seed=seed)
    day_end = bodies.ScheduleEntry(due_ns + 2 * HOUR_NS, 0, day_end=True)
    assert EventKind.SEED_COMMITTED in kinds(writer.do(bodies.Schedule(book, version, (entry, day_end))))


def day_end(writer: Writer, book: int, version: int) -> None:
    """Orders of the day end in a book that trades on."""
    at = bodies.ScheduleEntry(writer.ts_ns + 5 * SECOND_NS, 0, day_end=True)
    day = order_row(14, Side.BUY, 6_000, 5, instrument=book, tif=TimeInForce.DAY)
    writer.do(bodies.Schedule(book, version, (at,)), day)
    assert Reason.DAY_ENDED in set(writer.do(bodies.Time(), after_s=10)["reason"].tolist())


def many(writer: Writer, book: int) -> None:
    """Own and operator's mass cancels, by text id too; a dead-man switch that fires and one that is renewed."""
    own = cold(bodies.MassCancel(0, book, Side.BUY), 13, ref=text_ref("all-my-bids"))
    writer.do(own, own, cold(bodies.MassCancel(), 14), bodies.MassCancel(15, by_operator=True))
    writer.do(
        order_row(13, Side.BUY, 6_000, 5, instrument=book),
        order_row(
            14, Side.BUY, 6_000, 5, instrument=book, tif=TimeInForce.GTD, expire_at=writer.ts_ns + 30 * SECOND_NS
        ),
        cold(bodies.CancelAfter(20 * SECOND_NS), 13),
        cold(bodies.CancelAfter(20 * SECOND_NS), 14),
        cold(bodies.CancelAfter(3 * HOUR_NS), 14),
    )
    events = writer.do(bodies.Time(), after_s=40)
    ended = events[events["kind"] == EventKind.CANCELLED]
    assert {Reason.BY_CANCEL_AFTER, Reason.EXPIRED} <= set(ended["reason"].tolist())


def stopped(writer: Writer, book: int) -> None:
    """The kill switch: refusals, a cancel, and timers that stand still."""
    writer.do(bodies.KillSwitch(True, "a drill"))
    events = writer.do(
        order_row(13, Side.BUY, 6_000, 5, instrument=book),
        order_row(13, Side.BUY, 0, 0, instrument=book, kind=2, ref=text_ref("not-there")),
        bodies.Bid(1, EnglishOffer(1, 500)),
        bodies.KillSwitch(True),
    )
    assert Reason.VENUE_STOPPED in set(events["reason"].tolist())


def every_type(writer: Writer, book: int) -> None:
    """One waiting stop of each kind, an iceberg that has traded, and orders until a time, side by side in a book that
    trades continuously."""
    price = writer.kernel.machine.hot.last(book) or 6_305
    until = {"tif": TimeInForce.GTD, "expire_at": writer.ts_ns + 6 * HOUR_NS}
    events = writer.do(
        order_row(13, Side.SELL, price + 40, 50, instrument=book, type=OrderType.ICEBERG, display_qty=7),
        order_row(14, Side.BUY, price + 40, 9, instrument=book, tif=TimeInForce.IOC),
        order_row(13, Side.BUY, 0, 5, instrument=book, type=OrderType.STOP, stop_price=price + 900, stp=4),
        order_row(14, Side.SELL, price - 950, 5, instrument=book, type=OrderType.STOP_LIMIT, stop_price=price - 900),
        order_row(14, Side.BUY, price - 300, 5, instrument=book, ref=text_ref("until-then"), **until),
        order_row(12, Side.BUY, price - 301, 5, instrument=book, tif=TimeInForce.DAY),
    )
    assert (events["flags"] & EventFlag.STOP).any()
