"""Compile every kernel of the hot path, or load it from the cache, before the first client is served."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import CommandKind, OrderType, Phase, Reason, RefForm, Side, StpMode, TimeInForce
from engine.limits import PRICE_TICKS_MAX, WINDOW_TICKS_MIN
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.state.books import Books
from engine.state.hot import Which


def compile_kernels() -> None:
    """A small flow that enters every kernel once: about a minute on a machine that never did, 0.2 s afterwards."""
    books = Books(window_ticks=WINDOW_TICKS_MIN)
    terms: dict[str, Any] = dict(multiplier=1, price_min=1, price_max=PRICE_TICKS_MAX, qty_max=100)
    books.list_instrument(1, **terms, deposit=True)
    books.list_instrument(2, **terms, deposit=True)
    books.open_account(1)
    books.set_phase(1, Phase.CALL)
    for currency in range(100):  # so that the table of limits grows
        books.set_limits(1, currency, buy_max=0, sell_max=0, orders_max=1_000)
    books.add_stock(1, 1, 1_000)
    rows = np.zeros(200, COMMAND)
    rows["kind"], rows["version"], rows["account"], rows["instrument"] = CommandKind.NEW, ROW_VERSION, 1, 1
    rows["qty"], rows["price"], rows["side"] = 1, 100 + 10 * np.arange(200), Side.SELL
    rows["ref_form"][:100], rows["ref_hi"][:100], rows["ref_lo"][:100] = RefForm.STREAM, np.arange(100), 1
    rows["ref_form"][100:], rows["ref_hi"][100:] = (
        RefForm.TEXT,
        0x30303030 + np.arange(100) % 10 * 256 + np.arange(100) // 10,
    )
    rows["type"][-1], rows["price"][-1] = OrderType.MARKET, 0
    rows["tif"][-2], rows["extension"][-2] = TimeInForce.GTD, 1
    rows["stp"][-3] = StpMode.CANCEL_TAKER  # asks for its owner's other orders
    extensions = np.zeros(1, EXTENSION)
    extensions["expire_at"] = 2
    _, events = books.run(rows, extensions, None, 0, first_seq=1, ts_ns=1)
    said: dict[str, Any] = dict(command=0, first_index=0, ts_ns=1)
    order = int(events[0]["order"])
    books.set_phase(1, Phase.FROZEN)  # most levels stand outside the window, so that it is moved
    books.uncross(1, None, 0, **said)
    books.elect(1, seq=1, **said)
    books.order(order)
    books.extra_of(order)
    books.order_of_text(1, RefForm.TEXT, 0x30, 0)
    books.orders_of(1)
    books.level_count()
    books.curve(1)
    books.depth(1, Side.SELL, 5)
    books.limits_of(1, 1)
    books.stock_of(1, 1)
    books.move_stock(1, 1, 1, 1)
    books.sweep_client_ids(2)
    Books(window_ticks=WINDOW_TICKS_MIN).load(books.sections())
    if (due := books.next_expiry()) is not None:
        books.expire(due, **said)
    books.cancel(Which(account=1), Reason.BY_OPERATOR, **said)
    books.delist_instrument(1)
