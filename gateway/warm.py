"""Every kernel is entered once before the venue opens, so that none compiles while a trader waits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from engine.codes import CommandKind, OrderType, Phase, RefForm, Side, StpMode, TimeInForce
from engine.log.record import GENERATION, GENESIS_DIGEST, Record, encode_record
from engine.log.writer import AVAILABLE, Writer
from engine.machine import Machine
from engine.messages.batch import Batch, cold, join
from engine.messages.bodies import (
    Body,
    Deposit,
    ListInstrument,
    MassCancel,
    OpenAccount,
    Resume,
    SetAccount,
    SetLimits,
    SetPhase,
    Uncross,
)
from engine.messages.refs import text_ref
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION
from engine.state.books import Books
from engine.state.warm import compile_kernels
from gateway.ws.arrivals import rows_at_once
from gateway.ws.packed import Ordinals, answer_rows, parties_of

_NS = 10**9


def is_cold() -> bool:
    """Whether the kernels have still to be compiled on this machine."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return folder is None or next(Path(folder).rglob("*.nbi"), None) is None


def warm() -> None:
    """Run a small market, all of its operations, on books that are then forgotten."""
    compile_kernels()
    if AVAILABLE:
        Writer().close()
    machine = Machine(Books())
    listing = ListInstrument(
        1, "WARM", "Warm", "coffee", "0.05", "USc/lb", "bag of 69 kg", "USD", 1, 1, price_min=1, reference=100
    )
    _apply(machine, cold(Resume(_NS, _NS)))
    for body in (OpenAccount(1, "warm"), OpenAccount(2, "warm"), listing, SetPhase(1, Phase.CALL)):
        _apply(machine, _cold(body))
    _apply(machine, _rows([_order(1, Side.BUY, 101), _order(2, Side.SELL, 99), _order(2, Side.BUY, 0, market=True)]))
    machine.indication(1)
    machine.hot.curve(1)
    _apply(machine, _cold(Uncross(1, Phase.CONTINUOUS)))
    answered = _rows([_order(1, Side.BUY, 90), _order(2, Side.SELL, 80, tif=TimeInForce.FOK)], connection=1)
    rows_at_once(b"", parties_of(1, 1))
    answer_rows({1: _Reader(len(answered))}, *_apply(machine, answered))
    _apply(machine, _text_orders())
    for order in machine.hot.orders_of(1).tolist():
        machine.hot.order(order[0])
        _apply(machine, _rows([_on(order[0], CommandKind.REPLACE, 91), _on(order[0], CommandKind.CANCEL, 0)]))
    _operate(machine)
    form, hi, lo = text_ref("warm")
    machine.hot.order_of_text(1, form, hi, lo)
    for side in Side:
        machine.hot.depth(1, side, 10)
    machine.hot.sweep_client_ids(2**60)
    machine.state_hash()


class _Reader:
    """A connection that has sent rows."""

    def __init__(self, rows: int) -> None:
        self.ordinals = Ordinals()
        self.ordinals.taken(rows)

    def send(self, frame: bytes) -> None:
        """Nobody listens."""


def _operate(machine: Machine) -> None:
    """Rare terms, limits and deposits, and all that ends many orders at once."""
    hot = machine.hot
    deposit = ListInstrument(
        2, "WARM-2", "Warm", "coffee", "0.05", "USc/lb", "bag of 69 kg", "USD", 1, 1, price_min=1, reference=100,
        deposit=True, classes=True, collar_bps=5_000,
    )  # fmt: skip
    for body in (
        deposit, SetAccount(1, group=1, coop=True), SetLimits(1, "USD", 10**9, 10**9, 100), Deposit(1, 2, 50),
        SetPhase(2, Phase.CALL), Uncross(2, Phase.CONTINUOUS),
    ):  # fmt: skip
        _apply(machine, _cold(body))
    for instrument in (1, 2):
        rare = [
            _rare(CommandKind.NEW, 1, Side.SELL, OrderType.ICEBERG, instrument, 100, display_qty=3),
            _rare(CommandKind.NEW, 2, Side.BUY, OrderType.STOP_LIMIT, instrument, 101, stop_price=100),
            _rare(CommandKind.NEW, 1, Side.BUY, OrderType.LIMIT, instrument, 50, expire_at=machine.ts_ns + 2 * _NS),
            _rare(CommandKind.NEW, 1, Side.BUY, OrderType.LIMIT, instrument, 100, stp=StpMode.DECREMENT),
            _rare(CommandKind.NEW, 2, Side.BUY, OrderType.MARKET_TO_LIMIT, instrument, 0),
        ]
        _apply(machine, join(rare))
    for order in hot.orders_of(1).tolist():
        hot.extra_of(order[0])
    hot.limits_of(1, 1)
    hot.stock_of(1, 2)
    endings: list[Body] = [MassCancel(1, 1, by_operator=True), SetPhase(1, Phase.CLOSED), MassCancel(by_operator=True)]
    for ending in endings:
        _apply(machine, _cold(ending))


def _rare(
    kind: CommandKind, account: int, side: Side, type_: OrderType, instrument: int, price: int, *, stp: int = 0,
    **extension: int,
) -> Batch:  # fmt: skip
    row = _order(account, side, price)
    row["kind"], row["type"], row["instrument"], row["stp"] = kind, type_, instrument, stp
    if not extension:
        return Batch(row)
    row["extension"], row["tif"] = 1, TimeInForce.GTD if "expire_at" in extension else TimeInForce.GTC
    rare = np.zeros(1, EXTENSION)
    for name, value in extension.items():
        rare[name] = value
    return Batch(row, rare)


_count = 0


def _order(account: int, side: Side, price: int, *, tif: int = TimeInForce.GTC, market: bool = False) -> np.ndarray:
    global _count
    _count += 1
    row = np.zeros(1, COMMAND)
    row["kind"], row["side"], row["tif"], row["version"] = CommandKind.NEW, side, tif, ROW_VERSION
    row["type"] = OrderType.MARKET if market else OrderType.LIMIT
    row["instrument"], row["account"], row["price"], row["qty"] = 1, account, price, 10
    row["ref_form"], row["ref_hi"], row["ref_lo"] = RefForm.STREAM, 1, _count
    return row


def _on(order: int, kind: CommandKind, price: int) -> np.ndarray:
    row = _order(1, Side.BUY, price)
    row["kind"], row["order"], row["qty"] = kind, order, 5 if price else 0
    return row


def _text_orders() -> Batch:
    row, long_row = _order(1, Side.BUY, 85), _order(1, Side.BUY, 84)
    long_id = "a-client-id-that-is-long"
    for each, text in ((row, "warm"), (long_row, long_id)):
        each["ref_form"], each["ref_hi"], each["ref_lo"] = text_ref(text)
    long_row["body_length"] = len(long_id)
    return Batch(np.frombuffer(row.tobytes() + long_row.tobytes(), COMMAND), blob=long_id.encode())


def _rows(rows: list[np.ndarray], connection: int = 0) -> Batch:
    for row in rows:
        row["connection"] = connection
    return Batch(np.frombuffer(b"".join(row.tobytes() for row in rows), COMMAND))


def _cold(body: Body) -> Batch:
    batch = join([cold(body)])
    return Batch(np.frombuffer(batch.rows.tobytes(), COMMAND), blob=batch.blob)


def _apply(machine: Machine, batch: Batch) -> tuple[Record, np.ndarray]:
    record = encode_record(
        batch,
        shard=0,
        generation=GENERATION,
        epoch=1,
        first_seq=machine.seq + 1,
        ts_ns=machine.ts_ns + _NS,
        number=1,
        prev_digest=GENESIS_DIGEST,
        durable_through=0,
        applied_seq=machine.seq,
        event_digest=machine.event_digest,
    )
    return record, machine.apply(record)
