"""Write commands straight into records and apply them: a venue without disk, clock or network, for tests of rules."""

from __future__ import annotations

import numpy as np
import pytest

from engine.codes import CommandKind, EventKind, OrderType, Phase, Reason, Side, TimeInForce
from engine.log.interface import Tail
from engine.log.record import GENERATION, GENESIS_DIGEST, Record, encode_record
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.refs import text_ref
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.messages.sales.english import English, EnglishOffer, Step
from engine.messages.sales.terms import SaleLot, SaleTerms, Stages, Unit
from engine.oracle import books as oracle
from engine.state import books as kernel

HOTS = [pytest.param(oracle.Books, id="oracle"), pytest.param(kernel.Books, id="kernel")]
SECOND_NS = 10**9
T0_NS = 1_700_000_000 * SECOND_NS


class Recorder:
    """A machine and the chain of records it was given. `ts_ns` is the time of the next record."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ts_ns = T0_NS
        self.records: list[Record] = []

    def do(self, *batches: Batch | bodies.Body, after_s: float = 0) -> np.ndarray:
        """All batches (a bare body is the venue's own command) as one record, `after_s` later: its EVENT[n]."""
        self.ts_ns += int(after_s * SECOND_NS)
        record = self.record(join([cold(b) if isinstance(b, bodies.Body) else b for b in batches]))
        return self.machine.apply(record)

    def empty(self) -> np.ndarray:
        """The record of an idle venue: no commands, the time of the one before."""
        return self.machine.apply(self.record(Batch(np.zeros(0, COMMAND)), ts_ns=self.machine.ts_ns))

    def restart(self, hot: type) -> None:
        """Go on from a snapshot, on books of this kind."""
        told = self.machine.snapshot(Tail().after(self.records[-1]))
        restored = Machine.restored(hot(self.machine.hot.space), told)
        assert restored.state_hash() == self.machine.state_hash()
        self.machine = restored

    def replayed(self, hot: type, skips: frozenset[int] = frozenset()) -> tuple[Machine, list[np.ndarray]]:
        """The same records on another machine: it, and the EVENT[n] of each."""
        machine = Machine(hot(self.machine.hot.space), skips)
        return machine, [machine.apply(record) for record in self.records]

    def record(self, batch: Batch, ts_ns: int | None = None) -> Record:
        before = self.records[-1] if self.records else None
        self.records.append(
            encode_record(
                batch,
                shard=0,
                generation=GENERATION,
                epoch=1,
                first_seq=before.next_seq if before else 1,
                ts_ns=self.ts_ns if ts_ns is None else ts_ns,
                number=before.number + 1 if before else 1,
                prev_digest=before.digest if before else GENESIS_DIGEST,
                durable_through=before.number if before else 0,
                applied_seq=self.machine.seq,
                event_digest=self.machine.event_digest,
            )
        )
        return self.records[-1]


def order_row(
    account: int,
    side: Side,
    price: int,
    qty: int,
    *,
    instrument: int = 1,
    type: OrderType = OrderType.LIMIT,
    tif: TimeInForce = TimeInForce.GTC,
    kind: CommandKind = CommandKind.NEW,
    order: int = 0,
    ref: tuple[int, int, int] = (0, 0, 0),
    flags: int = 0,
    stp: int = 0,
    **extension: int,
) -> Batch:
    """One hot command; `extension`: fields of its extension row, where it has one."""
    rows = np.zeros(1, COMMAND)
    row = rows[0]
    row["kind"], row["version"], row["side"], row["type"], row["tif"] = kind, ROW_VERSION, side, type, tif
    row["account"], row["instrument"], row["price"], row["qty"], row["order"] = account, instrument, price, qty, order
    row["ref_form"], row["ref_hi"], row["ref_lo"] = ref
    row["flags"], row["stp"] = flags, stp
    if not extension:
        return Batch(rows)
    row["extension"] = 1
    extensions = np.zeros(1, EXTENSION)
    for name, value in extension.items():
        extensions[0][name] = value
    return Batch(rows, extensions)


def coffee(instrument: int = 1, **changes: object) -> bodies.ListInstrument:
    """Green coffee in bags of 69 kg, quoted in US cents a pound, tick 0.05."""
    fields: dict[str, object] = {
        "instrument": instrument,
        "symbol": f"PE-WASHED-{instrument}",
        "name": "Peru washed arabica",
        "commodity": "coffee",
        "tick_size": "0.05",
        "price_unit": "USc/lb",
        "lot_unit": "bag of 69 kg",
        "currency": "USD",
        "value_numerator": 345_000_000,
        "value_denominator": 45_359_237,
        "price_max": 100_000,
        "reference": 6_705,
    }
    return bodies.ListInstrument(**(fields | changes))


def day_order(account: int, side: Side, price: int, qty: int, **fields: int) -> Batch:
    return order_row(account, side, price, qty, tif=TimeInForce.DAY, **fields)


def venue_on(hot: type, *, accounts: int = 5, instruments: int = 2) -> Recorder:
    """An open venue on books of this kind, in phase CLOSED."""
    recorder = Recorder(Machine(hot()))
    open_venue(recorder, accounts=accounts, instruments=instruments)
    return recorder


def continuous(recorder: Recorder, *instruments: int) -> None:
    """Open books that nobody has entered anything into."""
    for instrument in instruments:
        recorder.do(bodies.SetPhase(instrument, Phase.CALL), bodies.Uncross(instrument, Phase.CONTINUOUS))


def of_kind(events: np.ndarray, kind: EventKind) -> np.ndarray:
    return events[events["kind"] == kind]


def refusal(events: np.ndarray) -> Reason:
    """Why the only command was refused."""
    assert kinds(events) == [EventKind.REJECTED], kinds(events)
    return Reason(int(events["reason"][0]))


def open_venue(recorder: Recorder, *, accounts: int = 5, instruments: int = 2) -> None:
    """Accounts 1..n and instruments 1..n, in phase CLOSED."""
    recorder.do(
        bodies.Genesis(b"g" * 16, "test"),
        *(bodies.OpenAccount(number, f"member {number}") for number in range(1, accounts + 1)),
        *(coffee(number) for number in range(1, instruments + 1)),
    )


def auction_lots(count: int, **changes: object) -> tuple[SaleLot, ...]:
    """Lots of 300 kg that account 1 sells."""
    return tuple(SaleLot(1, f"lot {number}", 10, 30_000, **changes) for number in range(1, count + 1))


def auction_sale(now_ns: int, sale: int = 1, *, lots: int = 2, open_for_s: int = 600, **changes: object) -> SaleTerms:
    """A Helmsman sale in USD/lb, opening 4.00, increment 0.10, clock 180 s; account 1 sells lots of 300 kg.

    `changes`: fields of the terms, or of English and Unit; `plan`: other lots than these.
    """
    english: dict[str, object] = {
        "opening": 400,
        "increments": (Step(0, 10),),
        "clock_ns": 180 * SECOND_NS,
        "open_until_ns": now_ns + open_for_s * SECOND_NS,
    }
    unit: dict[str, object] = {
        "tick_size": "0.01",
        "price_unit": "USD/lb",
        "currency": "USD",
        "value_numerator": 100_000,
        "value_denominator": 45_359_237,
    }
    fields: dict[str, object] = {
        "sale": sale,
        "version": 1,
        "title": "best of the season",
        "stages": Stages(),
        "lots": auction_lots(lots),
    }
    for name, value in changes.items():
        if name == "increment":
            english["increments"] = (Step(0, int(str(value))),)
        elif name in English.__struct_fields__:
            english[name] = value
        elif name in Unit.__struct_fields__:
            unit[name] = value
        else:
            fields["lots" if name == "plan" else name] = value
    return SaleTerms(**({"unit": Unit(**unit), "mechanism": English(**english)} | fields))


def bid_of(
    account: int, lot: int, maximum: int, *, sale: int = 1, client_id: str | None = None, **offer: object
) -> Batch:
    body = bodies.Bid(sale, EnglishOffer(lot, maximum, **offer))
    return cold(body, account=account, ref=text_ref(client_id) if client_id else (0, 0, 0))


def kinds(events: np.ndarray) -> list[int]:
    return events["kind"].tolist()
