"""Tables of sales for `qhatu export`: what everyone may see of them, or with an account what that account may see.

Without an account no row names one, and awards that do not hold are in none. A maximum or a limit is in its owner's own
form alone, a reserve in no form.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.codes import AwardState, EventKind, Reason, name_of
from engine.domain.units import decimal_text, ticks_to_text
from engine.log.record import Record
from engine.machine import Machine
from engine.messages.audience import AUDIENCE
from engine.state.sales.awards import HOLDING
from gateway.exporting import Row, columns
from gateway.market_data.own_bids import BID_KINDS
from gateway.queries import money_text

SALES = columns(
    "sale:int title mechanism season:int state lot:int lot_title bags:int bag_kg price_unit currency price:price"
    " sold_bags:int value:money finished_at:time"
)
BIDS = columns("seq:int index:int ts_engine:time event sale:int lot:int price:price quantity:int bid:int reason")
AWARDS = columns(
    "award:int sale:int lot:int role price:price bags:int value:money currency state due:time ts_engine:time"
)
_PUBLIC = (EventKind.LOT_PRICE, EventKind.LOT_CHANGED, EventKind.ROUND, EventKind.LOT_SOLD)
_OWN = BID_KINDS - {EventKind.AWARD_SET, EventKind.AWARD_SPLIT, EventKind.BIDDER_SET}
_HOLDING = tuple(name_of(AwardState, state) for state in sorted(HOLDING))

Applied = Iterator[tuple[Record, np.ndarray, Machine]]


def sales(db: sqlite3.Connection, account: int | None) -> Iterator[Row]:
    """One row a lot; of an account, those that it bought of or sold."""
    own = "" if account is None else (
        " WHERE EXISTS (SELECT 1 FROM sale_results r WHERE r.sale = l.sale AND r.lot = l.lot"
        " AND :account IN (r.buyer, r.seller))"
    )  # fmt: skip
    for *row, grams, unit, currency, price, bags, value, finished_ns in db.execute(
        "SELECT s.sale, s.title, s.mechanism, s.season, iif(s.finished_seq IS NULL, s.stage, l.state), l.lot, l.title,"
        " l.bags, l.bag_grams, s.price_unit, s.currency, l.price, l.sold_bags, l.value_minor, s.finished_ns"
        f" FROM sale_lots l JOIN sales s USING (sale){own} ORDER BY s.sale, l.lot",
        {"account": account},
    ):
        weight = decimal_text(Fraction(grams, 1000))
        yield (*row, weight, unit, currency, price, bags, None if value is None else money_text(value), finished_ns)


def awards(db: sqlite3.Connection, account: int | None) -> Iterator[Row]:
    """Everyone: what holds, by lot. An account: its awards in every state, and what it is in each."""
    for award, sale, lot, seller, buyer, price, bags, value, currency, state, due_ns, ts_ns in db.execute(
        "SELECT award, sale, lot, a.seller, buyer, a.price, a.bags, a.value_minor, currency, a.state, due_ns, a.ts_ns"
        " FROM awards a JOIN sales USING (sale) ORDER BY sale, lot, award"
    ):
        if account is None and state in _HOLDING:
            yield (None, sale, lot, None, price, bags, money_text(value), currency, "sold", None, None)
        elif account is not None and account in (buyer, seller):
            role = "buyer" if account == buyer else "seller"
            yield (award, sale, lot, role, price, bags, money_text(value), currency, state, due_ns, ts_ns)


def bids(applied: Applied, account: int | None) -> Iterator[Row]:
    """Everyone: each price that a lot showed. An account: what it was told of its bids."""
    for record, events, machine in applied:
        for event in events[events["kind"] >= EventKind.SALE_OPENED]:
            kind = EventKind(int(event["kind"]))
            fields = _fields_of(kind, event, account)
            if fields:
                yield _bid_row(record, event, kind, {name: int(event[name]) for name in fields}, machine, account)


def _fields_of(kind: EventKind, event: np.void, account: int | None) -> frozenset[str]:
    """What may be seen of an event; nothing where it is none of the table's."""
    audience = AUDIENCE[kind]
    if account is None:
        return audience.public if kind in _PUBLIC and event["price"] else frozenset()
    if kind not in _OWN:
        return frozenset()
    own = audience.account if event["account"] == account else frozenset()
    return own | (audience.counter if event["counter_account"] == account else frozenset())


def _bid_row(
    record: Record, event: np.void, kind: EventKind, seen: dict[str, int], machine: Machine, account: int | None
) -> Row:
    sale = machine.venue.sales[seen["order"]]
    price, reason = seen.get("price"), seen.get("reason")
    place = (None, None) if account is None else (record.first_seq + int(event["command"]), int(event["index"]))
    return (
        *place,
        record.ts_ns,
        name_of(EventKind, kind),
        sale.sale,
        seen.get("instrument") or None,
        ticks_to_text(price, sale.tick_size) if price else None,
        seen.get("qty"),
        seen.get("counter_order") or None,
        name_of(Reason, reason) if reason else None,
    )


def rows_of_sales(
    table: str, account: int | None, applied: Callable[[], Applied], store: Callable[[Path], sqlite3.Connection],
    folder: Path,
) -> Iterator[Row]:  # fmt: skip
    if table == "bids":
        return bids(applied(), account)
    return (sales if table == "sales" else awards)(store(folder / "history.sqlite"), account)


TABLES = {"sales": SALES, "bids": BIDS, "awards": AWARDS}
