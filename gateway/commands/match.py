"""`qhatu match FLOW`: continuous matching of a file of orders, without a server."""

from __future__ import annotations

import csv
import json
import sys
from fractions import Fraction
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.auction_file import InputError, check_tick, decimal

if TYPE_CHECKING:
    from engine.state.flow import Replay
    from gateway.flow import Flow

FLOW_BYTES_MAX = 4 * 2**30


def matched(flow: Flow, keep_trades: bool = False) -> tuple[Replay, float]:
    """The books after the whole flow, and ns a message over the timed ones (compiling and parsing left out)."""
    import numpy as np

    from engine.state.flow import MESSAGE, Replay

    Replay(ids=1).run(np.zeros(0, MESSAGE))  # compiles the kernel, or loads it
    low, high = flow.price_range
    replay = Replay(
        instruments=len(flow.instruments),
        accounts=flow.accounts,
        ids=flow.ids,
        price_min=low,
        price_max=high,
        values=flow.values,
        groups=flow.groups,
        times=flow.times,
        extensions=flow.extensions,
        keep_trades=keep_trades,
    )
    replay.run(flow.messages, flow.warm)
    start = perf_counter_ns()
    replay.run(flow.messages)
    elapsed_ns = perf_counter_ns() - start
    return replay, elapsed_ns / max(1, len(flow.messages) - flow.warm)


def answer_of(flow: Flow, replay: Replay, ns_per_message: float) -> dict[str, Any]:
    orders, lots, levels, stops = replay.resting()
    rejects = replay.rejects
    return {
        "messages": len(flow.messages),
        "accepted": len(flow.messages) - sum(rejects.values()),
        "rejects": rejects,
        "fills": replay.fills,
        "volume": replay.volume_lots,
        "fnv": replay.fnv,
        "resting_orders": orders,
        "resting_qty": lots,
        "levels": levels,
        "waiting_stops": stops,
        "ns_per_message": round(ns_per_message, 1),
    }


def write_trades(path: Path, flow: Flow, replay: Replay) -> None:
    """CSV of the fills, in order: taker_id, maker_id, price, qty, instrument."""
    from engine.domain.units import ticks_to_text

    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["taker_id", "maker_id", "price", "qty", "instrument"])
        for taker, maker, price, qty, instrument in replay.trades().tolist():
            writer.writerow([flow.label(taker), flow.label(maker), ticks_to_text(price, flow.tick), qty,
                             flow.instruments[instrument - 1]])  # fmt: skip


def match(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FLOW",
            help="Orders: OBW1 binary, or CSV with a header.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    trades: Annotated[Path | None, typer.Option("--trades", help="Write the fills as CSV.", dir_okay=False)] = None,
    tick: Annotated[str | None, typer.Option("--tick", help="Price step, as a decimal.")] = None,
) -> None:
    """Match a file of orders continuously."""
    from gateway.flow_file import read_flow

    step = None if tick is None else _tick_option(tick)
    try:
        if file.stat().st_size > FLOW_BYTES_MAX:
            raise InputError(f"file: more than {FLOW_BYTES_MAX} bytes")
        flow = read_flow(file.read_bytes(), step)
        replay, ns_per_message = matched(flow, keep_trades=trades is not None)
        if trades is not None:
            write_trades(trades, flow, replay)
    except (InputError, OSError) as error:
        print(f"qhatu match: {file}: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    answer = answer_of(flow, replay, ns_per_message)
    print(json.dumps(answer) if as_json else "\n".join(f"{name:16s} {value}" for name, value in answer.items()))


def _tick_option(text: str) -> Fraction:
    try:
        step = decimal(text, "--tick")
        check_tick(step, "--tick")
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint="--tick") from None
    return step
