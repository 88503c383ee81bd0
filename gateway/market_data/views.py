"""What the public is shown of instruments, books, calls and trades. REST and feeds build it here, once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from engine.codes import Phase, Side, TimerKind, name_of
from engine.domain.curve import Clearing
from engine.domain.instruments import Instrument
from engine.domain.units import decimal_text
from engine.markets.collars import EVERYWHERE, collar_of
from engine.markets.extensions import Outlook
from engine.state.venue import Move, Venue
from gateway.forms import Form, scale_of

SECOND_NS = 10**9
NEXT_MOVES = 4  # calendar moves shown of each instrument
CURVE_POINTS_MAX = 400  # a wider curve is thinned evenly, its ends and the price kept
COLLECTING = frozenset({Phase.PRE_OPEN, Phase.CALL, Phase.NO_CANCEL, Phase.FROZEN})  # phases that have an indication

Level = tuple[int, int, int]  # price ticks, open lots, orders


class Trade(NamedTuple):
    """One fill as the public sees it; `number` runs over the instrument's trades from 1."""

    number: int
    price: int
    qty: int
    side: int  # of the taker; of no meaning in a call
    call: bool
    ts_ns: int


class Indication(NamedTuple):
    """What an uncross now would give, and the cumulated curve behind it: (price, demand, supply), price rising."""

    clearing: Clearing
    outlook: Outlook | None  # None outside the phases that have one
    reference: int | None
    phase: int
    uncross_ns: int | None
    curve: list[Level]


def listed(venue: Venue, instrument: int) -> Instrument:
    """An instrument, as it was at its end where it has one: orders and trades of the past speak of it."""
    return venue.instruments.get(instrument) or venue.delisted[instrument]


def moves_view(form: Form, moves: Iterable[Move]) -> list[dict[str, Any]]:
    return [
        {
            "at": form.time(move.due_ns),
            "phase": name_of(Phase, move.phase),
            "uncross": move.kind == TimerKind.UNCROSS,
            "random_seconds": move.random_ns // SECOND_NS,
        }
        for move in moves
    ]


def instrument_view(form: Form, instrument: Instrument, phase: int, moves: Iterable[Move]) -> dict[str, Any]:
    scale = scale_of(instrument.tick_size)
    attributes = dict(instrument.attributes)
    reference = instrument.reference
    return {
        "instrument_id": instrument.instrument,
        "symbol": instrument.symbol,
        "name": instrument.name,
        "commodity": instrument.commodity,
        "tick_size": decimal_text(instrument.tick_size),
        "price_decimals": instrument.price_decimals,
        "price_unit": instrument.price_unit,
        "lot_size": "1",
        "lot_unit": instrument.lot_unit,
        "lot_kg": attributes.get("lot_kg"),
        "qty_decimals": 0,
        "currency": instrument.currency,
        "value_numerator": str(instrument.value_numerator),
        "value_denominator": str(instrument.value_denominator),
        "price_min": form.price(instrument.price_min, scale),
        "price_max": form.price(instrument.price_max, scale),
        "qty_max": form.qty(instrument.qty_max),
        "multiplier": str(instrument.multiplier),
        "deposit": instrument.deposit,
        "classes": instrument.classes,
        "collar": collar_view(form, instrument),
        "collar_floor": form.price(instrument.collar_floor, scale),
        "collar_bps": instrument.collar_bps,
        "extension_seconds": instrument.extension_ns // SECOND_NS,
        "extensions_max": instrument.extensions_max,
        "widen_bps": instrument.widen_bps,
        "after_extensions": instrument.after_extensions,
        "reference": None if reference is None else form.price(reference, scale),
        "rules": instrument.rules,
        "phase": name_of(Phase, phase),
        "next_moves": moves_view(form, moves),
        "attributes": attributes,
        "source": instrument.source,
    }


def collar_view(form: Form, instrument: Instrument) -> dict[str, Any] | None:
    """Prices, both included, within which takers trade; None: everywhere."""
    collar = collar_of(instrument)
    if collar == EVERYWHERE:
        return None
    scale = scale_of(instrument.tick_size)
    return {"low": form.price(collar.low, scale), "high": form.price(collar.high, scale)}


def status_view(form: Form, instrument: Instrument, phase: int, moves: Iterable[Move]) -> dict[str, Any]:
    return {
        "instrument": instrument.symbol,
        "phase": name_of(Phase, phase),
        "collar": collar_view(form, instrument),
        "next_moves": moves_view(form, moves),
    }


def levels_of(depth: np.ndarray) -> list[Level]:
    """LEVEL_VIEW[n] as tuples, best price first."""
    return depth.tolist()


def levels_view(form: Form, instrument: Instrument, levels: Iterable[Level]) -> list[list[Any]]:
    scale = scale_of(instrument.tick_size)
    return [[form.price(price, scale), form.qty(qty), orders] for price, qty, orders in levels]


def trade_view(form: Form, instrument: Instrument, trade: Trade) -> dict[str, Any]:
    return {
        "trade_id": trade.number,
        "price": form.price(trade.price, scale_of(instrument.tick_size)),
        "quantity": form.qty(trade.qty),
        "side": None if trade.call else name_of(Side, trade.side),
        "kind": "call" if trade.call else "continuous",
        "ts_engine": form.time(trade.ts_ns),
    }


def auction_view(form: Form, instrument: Instrument, indication: Indication, *, curve: bool) -> dict[str, Any]:
    """The indication; `curve` adds the supply and demand behind it."""
    scale = scale_of(instrument.tick_size)
    price, volume, surplus = indication.clearing
    view: dict[str, Any] = {
        "instrument": instrument.symbol,
        "phase": name_of(Phase, indication.phase),
        "price": None if price is None else form.price(price, scale),
        "volume": form.qty(volume),
        "surplus": form.qty(surplus),
        "imbalance": form.qty(abs(surplus)),
        "side": None if not surplus else "buy" if surplus > 0 else "sell",
        "reference": None if indication.reference is None else form.price(indication.reference, scale),
        "uncross_at": None if indication.uncross_ns is None else form.time(indication.uncross_ns),
        "extensions": 0,
        "outcome": None,
        "corridor": None,
    }
    outlook = indication.outlook
    if outlook is not None:
        view |= {"extensions": outlook.extensions, "outcome": outlook.outcome.value}
        if outlook.corridor != EVERYWHERE:
            low, high = outlook.corridor
            view["corridor"] = {"low": form.price(low, scale), "high": form.price(high, scale)}
    if curve:
        view["curve"] = [
            [form.price(at, scale), form.qty(demand), form.qty(supply)] for at, demand, supply in indication.curve
        ]
    return view


def thinned(points: list[Level], price: int | None) -> list[Level]:
    """At most CURVE_POINTS_MAX points of a curve, with its ends and the point at `price`."""
    if len(points) <= CURVE_POINTS_MAX:
        return points
    keep = set(np.linspace(0, len(points) - 1, CURVE_POINTS_MAX - 1).astype(int).tolist())
    keep.update(k for k, point in enumerate(points) if point[0] == price)
    return [points[k] for k in sorted(keep)]
