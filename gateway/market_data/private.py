"""Private feeds of one account: executions (its orders), own_bids (its bids in sales) and accounts (its summary).

A fold runs only for accounts that someone reads or lately read; it begins from the engine's open orders, so that the
snapshot and what follows it agree. Executions and own bids miss nothing: a reader who cannot keep up is closed and
comes back with its last `seq`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import (
    COLD_FIRST,
    AccountFlag,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    RefForm,
    Side,
    TimeInForce,
    name_of,
)
from engine.log.record import Record
from engine.machine import Machine
from engine.messages.audience import AUDIENCE
from engine.messages.refs import exact_text
from gateway.forms import Form, scale_of
from gateway.market_data.channel import Channel, Later, Name, View
from gateway.market_data.own_bids import BID_KINDS, bid_told, own_bids
from gateway.market_data.views import listed
from gateway.order_terms import STOP_TYPES, UNPRICED_TYPES

IDLE_ACCOUNTS_MAX = 1_000  # folds kept without a reader, so that one who comes back finds the ring
_ORDER_KINDS_END = EventKind.TIMER
_REPORTS = {
    EventKind.MASS_CANCELLED: "mass_cancelled",
    EventKind.CANCEL_AFTER_SET: "cancel_after",
    EventKind.ACCOUNT_SET: "account",
    EventKind.TRADE_BUSTED: "busted",
    EventKind.TRADE_CORRECTED: "corrected",
}
assert all("price" not in AUDIENCE[kind].operator for kind in (EventKind.BID_ACCEPTED, EventKind.BID_LATE))


@dataclass(slots=True)
class OpenOrder:
    """One open order of a followed account. Quantities in lots, counted from its entry or last replace."""

    order: int
    client_order_id: str | None
    instrument: int
    side: int
    type: int
    tif: int
    price: int
    qty: int
    open: int
    display: int = 0  # of an iceberg
    stop_price: int | None = None  # of a stop that waits for it
    expire_ns: int = 0

    def view(self, form: Form, machine: Machine) -> dict[str, Any]:
        listing = listed(machine.venue, self.instrument)
        scale = scale_of(listing.tick_size)
        return {
            "order_id": form.order_id(self.order),
            "client_order_id": self.client_order_id,
            "instrument": listing.symbol,
            "side": name_of(Side, self.side),
            "type": name_of(OrderType, self.type),
            "price": None if self.type in UNPRICED_TYPES else form.price(self.price, scale),
            "quantity": form.qty(self.qty),
            "filled_quantity": form.qty(self.qty - self.open),
            "open_quantity": form.qty(self.open),
            "time_in_force": name_of(TimeInForce, self.tif),
            "display_quantity": form.qty(self.display) if self.display else None,
            "stop_price": None if self.stop_price is None else form.price(self.stop_price, scale),
            "expire_at": form.time(self.expire_ns) if self.expire_ns else None,
            "state": "waiting" if self.stop_price is not None else "open" if self.open == self.qty else "partial",
        }

    def take_extension(self, record: Record, command: int) -> None:
        """The rare terms that a NEW or REPLACE states, or states no longer."""
        number = int(record.batch.rows["extension"][command])
        self.display, self.stop_price, self.expire_ns = 0, None, 0
        if number:
            row = record.batch.extensions[number - 1]
            self.display, self.expire_ns = int(row["display_qty"]), int(row["expire_at"])
        if self.type in STOP_TYPES:
            self.stop_price = int(record.batch.extensions["stop_price"][number - 1]) if number else 0


def client_order_id(form: int, hi: int, lo: int, text: str | None) -> str | None:
    """A client id as answers show it: the text, "stream/number" for the packed form, None without one."""
    if form == RefForm.STREAM:
        return f"{hi & 0xFFFFFFFF}/{lo}"
    if form == RefForm.TEXT:
        return exact_text(hi, lo)
    return text if form == RefForm.DIGEST else None


def open_order_of(machine: Machine, row: np.void) -> OpenOrder:
    """From a row of ORDER_VIEW."""
    form, order = int(row["ref_form"]), int(row["order"])
    text = machine.hot.text_of(order) if form == RefForm.DIGEST else None
    extra = machine.hot.extra_of(order)
    found = OpenOrder(
        order,
        client_order_id(form, int(row["ref_hi"]), int(row["ref_lo"]), text),
        int(row["instrument"]),
        int(row["side"]),
        int(row["type"]),
        int(row["tif"]),
        int(row["price"]),
        int(row["entered_qty"]),
        int(row["qty"]),
    )
    if extra is not None:
        found.display, found.expire_ns = int(extra["peak"]), int(extra["expire_at"])
        found.stop_price = int(extra["stop_price"]) if extra["waiting"] else None
    return found


class Follow:
    """What the venue tells one account."""

    def __init__(self, machine: Machine, account: int, first_seq: int, later: Later) -> None:
        self.machine, self.account = machine, account
        rows = machine.hot.orders_of(account)
        self.orders = {int(row["order"]): open_order_of(machine, row) for row in rows}
        self.executions = Channel(
            Name("executions", account=account), "", first_seq, self._orders, conflated=False, later=later
        )
        self.own_bids = Channel(
            Name("own_bids", account=account), "", first_seq, self._bids, conflated=False, later=later
        )
        self.accounts = Channel(
            Name("accounts", account=account), "", first_seq, self._summary, conflated=True, later=later
        )
        self.changed = False

    @property
    def read(self) -> bool:
        return bool(self.executions.readers or self.own_bids.readers or self.accounts.readers)

    def take(self, event: np.void, record: Record) -> None:
        """One event in which the account is a party."""
        kind = EventKind(int(event["kind"]))
        if kind in BID_KINDS:
            self._take_bid(event, record)
        elif kind < _ORDER_KINDS_END:
            self._take_order(kind, event, record)
        elif kind in _REPORTS:
            self._tell_report(kind, event, record)

    def tick(self) -> None:
        if self.changed and self.accounts.readers:
            view, ts_ns = self._summary()
            self.accounts.publish(view, ts_ns)
        self.changed = False

    # Orders

    def _take_order(self, kind: EventKind, event: np.void, record: Record) -> None:
        self.changed = True
        if kind == EventKind.FILL:
            # An account that trades with itself has both ends.
            if event["account"] == self.account:
                self._fill(int(event["order"]), None, event, record, maker=False)
            if event["counter_account"] == self.account:
                self._fill(int(event["counter_order"]), int(event["leaves"]), event, record, maker=True)
        elif kind == EventKind.ACCEPTED:
            order = self._entered(event, record)
            self._tell("accepted", order, event, record)
        elif kind == EventKind.REPLACED:
            order, command = self._known(int(event["order"])), int(event["command"])
            order.price, order.qty, order.open = int(event["price"]), int(event["qty"]), int(event["qty"])
            row = record.batch.rows[command]
            order.type, order.tif = int(row["type"]), int(row["tif"])
            order.take_extension(record, command)
            self._tell("replaced", order, event, record)
        elif kind == EventKind.AMENDED:
            order = self._known(int(event["order"]))
            order.qty, order.open = order.qty - order.open + int(event["qty"]), int(event["qty"])
            self._tell("amended", order, event, record, priority_kept=not int(event["leaves"]))
        elif kind == EventKind.REDUCED:
            order = self._known(int(event["order"]))
            order.qty, order.open = order.qty - int(event["qty"]), int(event["leaves"])
            self._tell("reduced", order, event, record, reason=name_of(Reason, int(event["reason"])))
        elif kind == EventKind.TRIGGERED:
            order = self._known(int(event["order"]))
            unpriced = int(event["flags"]) & EventFlag.UNPRICED
            order.type, order.stop_price = OrderType.MARKET if unpriced else OrderType.LIMIT, None
            self._tell("triggered", order, event, record)
        elif kind == EventKind.REPRICED:
            order = self._known(int(event["order"]))
            order.type, order.price = OrderType.LIMIT, int(event["price"])
            self._tell("repriced", order, event, record)
        elif kind == EventKind.CANCELLED:
            order = self._known(int(event["order"]))
            order.open -= int(event["qty"])
            reason = name_of(Reason, int(event["reason"]))
            self._tell("expired" if reason == "expired" else "cancelled", order, event, record, reason=reason)
            self.orders.pop(order.order, None)
        elif kind == EventKind.REJECTED:
            self._tell_rejected(event, record)

    def _fill(self, number: int, leaves: int | None, event: np.void, record: Record, *, maker: bool) -> None:
        order = self._known(number)
        qty = int(event["qty"])
        order.open = order.open - qty if leaves is None else leaves
        call = bool(int(event["flags"]) & EventFlag.AUCTION)
        scale = scale_of(listed(self.machine.venue, order.instrument).tick_size)
        price, name = int(event["price"]), _name(event, record)
        role = "call" if call else "maker" if maker else "taker"

        def fill(form: Form) -> dict[str, Any]:
            return {"fill_id": name, "price": form.price(price, scale), "quantity": form.qty(qty), "role": role}

        self._tell("partial" if order.open else "filled", order, event, record, fill=fill)
        if not order.open:
            self.orders.pop(number, None)

    def _entered(self, event: np.void, record: Record) -> OpenOrder:
        command = int(event["command"])
        row = record.batch.rows[command]
        order = OpenOrder(
            int(event["order"]),
            client_order_id(int(row["ref_form"]), int(row["ref_hi"]), int(row["ref_lo"]), text_of(record, command)),
            int(event["instrument"]),
            int(event["side"]),
            int(row["type"]),
            int(row["tif"]),
            int(event["price"]),
            int(event["qty"]),
            int(event["qty"]),
        )
        order.take_extension(record, command)
        self.orders[order.order] = order
        return order

    def _known(self, number: int) -> OpenOrder:
        order = self.orders.get(number)
        assert order is not None, f"order {number} of account {self.account} was entered before it changed"
        return order

    def _tell(self, what: str, order: OpenOrder, event: np.void, record: Record, **more: Any) -> None:
        before, machine = OpenOrder(*(getattr(order, name) for name in OpenOrder.__slots__)), self.machine
        name = _name(event, record)
        fill = more.pop("fill", None)

        def view(form: Form) -> dict[str, Any]:
            message = {"event": what, "event_id": name} | before.view(form, machine) | more
            message["order_type"] = message.pop("type")  # `type` tells a snapshot from an update
            if not before.open:
                message["state"] = "cancelled" if what in ("cancelled", "expired") else "filled"
            return message if fill is None else message | {"fill": fill(form)}

        self.executions.publish(view, record.ts_ns)

    def _tell_rejected(self, event: np.void, record: Record) -> None:
        command = int(event["command"])
        row = record.batch.rows[command]
        if row["kind"] >= COLD_FIRST:
            return  # a refused bid is no order; its answer says why
        text = client_order_id(int(row["ref_form"]), int(row["ref_hi"]), int(row["ref_lo"]), text_of(record, command))
        listing = self.machine.venue.instruments.get(int(event["instrument"]))
        code, order, name = name_of(Reason, int(event["reason"])), int(event["order"]), _name(event, record)

        def view(form: Form) -> dict[str, Any]:
            return {
                "event": "rejected",
                "event_id": name,
                "order_id": form.order_id(order) if order else None,
                "client_order_id": text,
                "instrument": listing.symbol if listing else None,
                "code": code,
            }

        self.executions.publish(view, record.ts_ns)

    def _tell_report(self, kind: EventKind, event: np.void, record: Record) -> None:
        """What concerns the account as a whole, or a trade of the past."""
        name, what, venue = _name(event, record), _REPORTS[kind], self.machine.venue
        number = int(event["instrument"])
        listing = venue.instruments.get(number) or venue.delisted.get(number)
        qty, leaves, order = int(event["qty"]), int(event["leaves"]), int(event["order"])
        self.changed = True

        def view(form: Form) -> dict[str, Any]:
            told: dict[str, Any] = {"event": what, "event_id": name}
            if kind == EventKind.MASS_CANCELLED:
                told |= {"instrument": listing.symbol if listing else None, "cancelled_orders": qty}
                told |= {"cancelled_quantity": form.qty(leaves), "remaining_orders": order}
                told["reason"] = name_of(Reason, int(event["reason"]))
            elif kind == EventKind.CANCEL_AFTER_SET:
                told["cancel_at"] = form.time(leaves) if leaves else None
            elif kind == EventKind.ACCOUNT_SET:
                told["frozen"] = bool(leaves & AccountFlag.FROZEN)
            else:
                assert listing is not None, "the engine has checked the trade's instrument"
                told |= {"fill_id": f"{order}-{int(event['counter_order'])}", "instrument": listing.symbol}
                told |= {"price": form.price(int(event["price"]), scale_of(listing.tick_size))}
                told |= {"quantity": form.qty(qty), "state": what}
            return told

        self.executions.publish(view, record.ts_ns)

    def _orders(self) -> tuple[View, int]:
        machine = self.machine
        orders = [self.orders[number] for number in sorted(self.orders)]

        def view(form: Form) -> dict[str, Any]:
            return {"orders": [order.view(form, machine) for order in orders]}

        return view, machine.ts_ns

    # Bids

    def _take_bid(self, event: np.void, record: Record) -> None:
        view = bid_told(self.machine.venue, event, self.account, _name(event, record))
        if view is not None:
            self.own_bids.publish(view, record.ts_ns)

    def _bids(self) -> tuple[View, int]:
        return own_bids(self.machine.venue, self.account), self.machine.ts_ns

    # Summary

    def _summary(self) -> tuple[View, int]:
        account, orders = self.machine.venue.accounts[self.account], len(self.orders)
        summary = {
            "account": account.account,
            "label": account.label,
            "kind": account.kind,
            "open_orders": orders,
            "frozen": account.frozen,
        }
        return lambda form: summary, self.machine.ts_ns


class PrivateFeeds:
    """`take` after each record, `tick` now and then."""

    def __init__(self, machine: Machine, first_seq: int, later: Later) -> None:
        self.machine, self._later = machine, later
        self._follows: OrderedDict[int, Follow] = OrderedDict()
        self._followed = np.zeros(0, np.uint32)
        self._first_seq = first_seq  # above all that a fold that was forgotten has told

    def of(self, account: int) -> Follow:
        """The account's feeds, followed from now on."""
        follow = self._follows.get(account)
        if follow is None:
            self._forget_idle()
            follow = self._follows[account] = Follow(self.machine, account, self._first_seq, self._later)
            self._followed = np.array(sorted(self._follows), np.uint32)
        self._follows.move_to_end(account)
        return follow

    def take(self, record: Record, events: np.ndarray) -> None:
        if not len(self._followed):
            return
        accounts, counters = events["account"], events["counter_account"]
        mine = np.isin(accounts, self._followed) | np.isin(counters, self._followed)
        for at in np.flatnonzero(mine).tolist():
            event = events[at]
            for account in {int(event["account"]), int(event["counter_account"])}:
                follow = self._follows.get(account)
                if follow is not None:
                    follow.take(event, record)

    def tick(self) -> None:
        for follow in self._follows.values():
            follow.tick()

    def _forget_idle(self) -> None:
        idle = [account for account, follow in self._follows.items() if not follow.read]
        for account in idle[: max(0, len(idle) + 1 - IDLE_ACCOUNTS_MAX)]:
            follow = self._follows.pop(account)
            channels = (follow.executions, follow.own_bids, follow.accounts)
            self._first_seq = max(self._first_seq, *(channel.seq + 1 for channel in channels))


def text_of(record: Record, command: int) -> str | None:
    """The long text id that stands in a record's blob as the body of one of its rows; None when there is none."""
    lengths = record.batch.rows["body_length"]
    length = int(lengths[command])
    if not length or record.batch.rows["ref_form"][command] != RefForm.DIGEST:
        return None
    start = int(lengths[:command].sum(dtype=np.int64))
    return record.batch.blob[start : start + length].decode("ascii")


def _name(event: np.void, record: Record) -> str:
    """(seq, index): names the event for ever."""
    return f"{record.first_seq + int(event['command'])}-{int(event['index'])}"
