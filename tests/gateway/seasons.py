"""A short season written from a seed: calls, continuous trading, every kind of order and answer, a sale, an outage.

`Season` drives a real machine through `tests.recorder`; its records and their events are what a follower would read.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, OrderFlag, OrderType, Phase, Side, StpMode, TimeInForce
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.refs import stream_ref, text_ref
from engine.messages.sales.terms import SaleLot
from engine.oracle.books import Books
from tests.recorder import SECOND_NS, Recorder, auction_sale, bid_of, coffee, order_row

ACCOUNTS = 6
MAXIMUM_CANARY = 123_456_789  # a secret that must turn up nowhere: ticks of 0.01, so "1234567.89"
SALE = 1


class Season:
    """`records` and `events` in step; `machine` stands at their end."""

    def __init__(self, seed: int, *, turns: int = 40, rows_per_turn: int = 30) -> None:
        self.chance = random.Random(seed)
        self.machine = Machine(Books())
        self.recorder = Recorder(self.machine)
        self.events: list[np.ndarray] = []
        self.digests: list[bytes] = []
        self.number = 0
        self.open: dict[int, tuple[int, int, int]] = {}  # order -> account, instrument, side
        self._open_venue()
        for instrument in (1, 2, 3):
            self.do(bodies.SetPhase(instrument, Phase.PRE_OPEN))
            self.trade(rows_per_turn, call=True, instruments=(instrument,))
            self.do(bodies.SetPhase(instrument, Phase.CALL))
        self.trade(rows_per_turn, call=True)
        self.do(*(bodies.Uncross(instrument, Phase.CONTINUOUS) for instrument in (1, 2, 3)))
        self._open_sale()
        for turn in range(turns):
            self.trade(rows_per_turn)
            if turn == turns // 2:
                self.do(bodies.SetReference(1, 6_700), bodies.SetReference(2, None))
                self.do(bodies.SetPhase(1, Phase.CALL))
                self.trade(rows_per_turn, call=True, instruments=(1,))
                self.do(bodies.Uncross(1, Phase.CONTINUOUS))
                self.empty()
                self.resume(after_s=60)
            if turn == turns // 3:
                self._operate()
        self.do(bodies.SetPhase(3, Phase.CALL), bodies.Uncross(3, Phase.CLOSED))
        self.do(bodies.SetPhase(2, Phase.CLOSED))
        self.do(bodies.Time(), after_s=120)  # lots without a bid pass in
        self.do(bodies.Time(), after_s=10)  # the clock runs out
        self.empty()

    @property
    def records(self) -> list[Record]:
        return self.recorder.records

    def do(self, *batches: Batch | bodies.Body, after_s: float = 0.25) -> np.ndarray:
        events = self.recorder.do(*batches, after_s=after_s)
        self._keep(events)
        return events

    def empty(self) -> None:
        self._keep(self.recorder.empty())

    def resume(self, after_s: float) -> None:
        now_ns = self.recorder.ts_ns + int(after_s * SECOND_NS)
        self.do(bodies.Resume(self.recorder.ts_ns, now_ns), after_s=after_s)

    def trade(self, rows: int, *, call: bool = False, instruments: tuple[int, ...] = (1, 2, 3)) -> None:
        """One record of `rows` orders, cancels and replaces, some of them bad."""
        self.do(join([self._row(call, self.chance.choice(instruments)) for _ in range(rows)]))
        self.open = {
            int(order["order"]): (account, int(order["instrument"]), int(order["side"]))
            for account in range(1, ACCOUNTS + 1)
            for order in self.machine.hot.orders_of(account)
        }

    def _operate(self) -> None:
        """What an operator, and an account about all of its orders, may do in a season."""
        fills = [
            (record.first_seq + int(event["command"]), event)
            for record, events in zip(self.records, self.events, strict=True)
            for event in events[events["kind"] == EventKind.FILL]
        ]
        (seq, first), (other_seq, other) = fills[0], fills[len(fills) // 2]
        terms, other_terms = _terms_of(first), _terms_of(other)
        self.do(
            bodies.SetAccount(6, group=3, frozen=True, cancel=True, why="asked for"),
            bodies.SetLimits(2, "USD", buy_max=10**9),
            bodies.BustTrade(seq, int(first["index"]), *terms, why="a slip"),
            bodies.CorrectTrade(other_seq, int(other["index"]), *other_terms, new_price=other_terms[1] + 1,
                                new_qty=other_terms[2]),
            bodies.ChangeInstrument(2, name="Quinoa, white", rules="harvest", collar_floor=500),
            bodies.MassCancel(account=3, by_operator=True),
            cold(bodies.MassCancel(side=0), account=4),
            cold(bodies.CancelAfter(2 * SECOND_NS), account=5),
        )  # fmt: skip
        self.do(bodies.SetAccount(6, frozen=False), after_s=3)

    def _keep(self, events: np.ndarray) -> None:
        self.events.append(events)
        self.digests.append(self.machine.event_digest)

    def _open_venue(self) -> None:
        self.do(
            bodies.Genesis(b"g" * 16, "test"),
            *(bodies.OpenAccount(number, f"=member {number}", "coop") for number in range(1, ACCOUNTS + 1)),
            bodies.AddKey(b"\xfe\xed" * 16, 1, 2),
            coffee(1, attributes={"origin": "Jaén", "grade": "1"}),
            coffee(2, symbol="QUINOA", tick_size="0.01", price_unit="PEN/kg", currency="PEN", value_numerator=50,
                   value_denominator=3, reference=None),
            coffee(3, symbol="DIFF", tick_size="1", price_min=-500, price_max=500, reference=0),
        )  # fmt: skip

    def _open_sale(self) -> None:
        lots = tuple(SaleLot(2, f"lot {number}", 10, 69_000, {"score": "88"}) for number in (1, 2, 3))
        self.do(
            auction_sale(
                self.recorder.ts_ns, SALE, plan=lots, open_for_s=30, title="best of the year", increment=1,
                clock_ns=5 * SECOND_NS, price_unit="USc/lb", value_numerator=1_000,
            )
        )  # fmt: skip
        self.do(bid_of(3, 1, MAXIMUM_CANARY, client_id="a-bid-under-a-long-name"), bid_of(4, 2, 500))
        self.do(bid_of(5, 2, 450), bid_of(5, 2, 399))

    def _ref(self) -> tuple[tuple[int, int, int], bytes]:
        self.number += 1
        match self.chance.randrange(4):
            case 0:
                return stream_ref(7, self.number), b""
            case 1:
                return text_ref(f"c-{self.number}"), b""
            case 2:
                text = f"an-id-of-more-than-15-{self.number}"
                return text_ref(text), text.encode()
        return (0, 0, 0), b""

    def _row(self, call: bool, instrument: int) -> Batch:
        chance = self.chance
        if self.open and chance.random() < 0.35:
            order = chance.choice(sorted(self.open))
            account, instrument, side = self.open[order]
            if chance.random() < 0.5:
                return order_row(account, Side.BUY, 0, 0, kind=CommandKind.CANCEL, order=order, instrument=instrument)
            kind = chance.choice([CommandKind.REPLACE, CommandKind.AMEND])
        else:
            kind, order, account, side = CommandKind.NEW, 0, chance.randint(1, ACCOUNTS + 1), chance.randrange(2)
        middle = {1: 6_700, 2: 1_200, 3: 0}[instrument]
        terms: dict[str, int] = {}
        price, flags, stp = middle + chance.randint(-20, 20), 0, 0
        if kind == CommandKind.AMEND:
            type, tif, price = OrderType.LIMIT, TimeInForce.GTC, 0
        else:
            type, tif, terms = self._terms(call, middle)
            if type in (OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP):
                price = 0
            stp = chance.choice([0, 0, *StpMode])
            flags = OrderFlag.POST_ONLY * (chance.random() < 0.04)
        qty = chance.choice([0, *range(1, 40)])
        ref, body = self._ref()
        batch = order_row(account, Side(side), price, qty, instrument=instrument, type=type, tif=tif, kind=kind,
                          order=order, ref=ref, flags=flags, stp=stp, **terms)  # fmt: skip
        batch.rows["body_length"] = len(body)
        return Batch(batch.rows, batch.extensions, body)

    def _terms(self, call: bool, middle: int) -> tuple[OrderType, TimeInForce, dict[str, int]]:
        """Type, time in force and extension of an order, a few of them bad."""
        chance, terms = self.chance, dict[str, int]()
        type = chance.choices(list(OrderType), (60, 10, 5, 8, 8, 9))[0]
        tifs = [TimeInForce.GTC] * 6 + [TimeInForce.DAY, TimeInForce.GTD]
        if type not in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.ICEBERG):
            tifs += [TimeInForce.AT_AUCTION] if call else [TimeInForce.IOC, TimeInForce.FOK]
        tif = chance.choice(tifs)
        if type in (OrderType.STOP, OrderType.STOP_LIMIT):
            terms["stop_price"] = middle + chance.randint(-15, 15)
        elif type == OrderType.ICEBERG:
            terms["display_qty"] = chance.randint(1, 9)
        elif chance.random() < 0.05:
            terms["min_qty"] = chance.randint(1, 10)
        if tif == TimeInForce.GTD:
            terms["expire_at"] = self.recorder.ts_ns + 1_000 * chance.randint(0, 4_000_000)  # pyarrow shows whole us
        return type, tif, terms


def _terms_of(fill: np.void) -> tuple[int, int, int, int, int]:
    """instrument, price, qty, buyer, seller of a fill, as a bust names them."""
    parties = int(fill["account"]), int(fill["counter_account"])
    buyer, seller = parties if fill["flags"] & EventFlag.AUCTION or fill["side"] == Side.BUY else parties[::-1]
    return int(fill["instrument"]), int(fill["price"]), int(fill["qty"]), buyer, seller


def write_log(records: list[Record], directory: Path) -> LocalLog:
    """The records as a log on disk, still open for more."""
    log = LocalLog.open(RealFiles(), directory, segment_bytes=4 * 1024 * 1024)
    if records:
        log.claim(records[0].epoch)
    for record in records:
        log.write(record)
    return log
