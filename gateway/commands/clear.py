"""`qhatu clear FILE.json`: one call auction from a file, under any rule set, without a server."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.auction_file import (
    AuctionFile,
    InputError,
    blocks_of,
    check_tick,
    decimal,
    limits_in_ticks,
    read_auction_file,
    reference_in_ticks,
    tick_of,
)

if TYPE_CHECKING:
    from engine.markets.rule_sets import RuleSet

ROWS_SHOWN_MAX = 40  # orders and trades in the table for people


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call auction gave, in the units of its file."""

    price: str | None
    volume: int
    surplus: int
    filled: dict[str, int]  # every order, in the order of the file
    trades: list[tuple[str, str, int]]  # buy, sell, lots
    remaining: dict[str, tuple[int, str | None]]  # what is left of an order: quantity and limit, None where unpriced
    rules: str

    def as_json(self) -> str:
        return json.dumps(
            {
                "price": self.price,
                "volume": self.volume,
                "surplus_buy_minus_sell": self.surplus,
                "filled_qty_by_order": self.filled,
                "trades": self.trades,
                "remaining": {name: {"qty": qty, "limit": limit} for name, (qty, limit) in self.remaining.items()},
                "rules": self.rules,
            }
        )


def answer_of(call: AuctionFile, rules: str, tick: Fraction | None = None) -> Answer:
    """Clear the call of a file. Raises InputError; KeyError for unknown rules."""
    import numpy as np

    from engine.domain.units import ticks_to_text
    from engine.markets.call_auction import FlatOrders, clear_flat, trades_of
    from engine.markets.rule_sets import RULE_SETS

    rule_set = RULE_SETS[rules]
    reference, quoted = _reference_of(call, rule_set)
    tick = tick or call.tick or tick_of(call, quoted)
    limits = limits_in_ticks(call, tick)
    blocks = blocks_of(call) if rule_set.sharing.by_block else None
    # sorted() is stable: orders with the same seq keep the order of the file
    arrival = sorted(range(len(call.ids)), key=lambda i: (0 if blocks is None else blocks[i], call.seq[i]))
    order = np.array(arrival, dtype=np.int64)
    orders = FlatOrders(
        call.side[order],
        limits[order],
        call.unpriced[order],
        call.qty_lots[order],
        None if blocks is None else np.array(blocks, dtype=np.int64)[order],
    )
    middle = None if reference is None else reference_in_ticks(reference, tick)
    result = clear_flat(orders, middle, rules, collar_ticks=_collar_of(rule_set, middle, tick))
    lots = np.zeros(len(call.ids), np.int64)
    lots[order] = result.fills
    trades = [
        (call.ids[arrival[buy]], call.ids[arrival[sell]], qty)
        for buy, sell, qty in trades_of(orders, result, rules).tolist()
    ]
    price = None if result.clearing.price_ticks is None else ticks_to_text(result.clearing.price_ticks, tick)
    return Answer(
        price=price,
        volume=result.clearing.volume_lots,
        surplus=result.clearing.surplus_lots,
        filled=dict(zip(call.ids, lots.tolist(), strict=True)),
        trades=trades,
        remaining=_remaining(call, lots.tolist(), price),
        rules=rules,
    )


def _remaining(call: AuctionFile, lots: list[int], price: str | None) -> dict[str, tuple[int, str | None]]:
    """What the call leaves. A market-to-limit order is a limit at the auction price from there on.

    Rule: Euronext, market-to-limit leaflet 414808, by auction.
    """
    left = {}
    for place, name in enumerate(call.ids):
        limit = call.prices[place]
        text = _plain(limit) if limit is not None else price if call.to_limit[place] else None
        if call.qty_lots[place] > lots[place]:
            left[name] = int(call.qty_lots[place]) - lots[place], text
    return left


def _reference_of(call: AuctionFile, rule_set: RuleSet) -> tuple[Fraction | None, list[Fraction]]:
    """The reference, and every quotation whose decimals count for the tick."""
    quoted = [] if call.reference is None else [call.reference]
    if rule_set.reference_is_nbbo_midpoint and call.nbbo is not None:
        return sum(call.nbbo, Fraction(0)) / 2, [*quoted, *call.nbbo]
    return call.reference, quoted


def _collar_of(rule_set: RuleSet, reference_ticks: int | None, tick: Fraction) -> tuple[int, int] | None:
    """The band in which unpriced orders are valued, of rule sets that have one. Its floor is rounded down to a tick."""
    from engine.kernels.collar import collar

    if rule_set.collar is None or reference_ticks is None:
        return None
    least = int(Fraction(rule_set.collar.least) // tick)
    low, high = collar(reference_ticks, reference_ticks, rule_set.collar.bps, least)
    return int(low), int(high)


def clear(
    file: Annotated[
        Path,
        typer.Argument(help="JSON of one call: orders, reference_price.", exists=True, dir_okay=False, readable=True),
    ],
    rules: Annotated[
        str | None, typer.Option("--rules", help="Rule set; else the file's rule_set, else harvest.")
    ] = None,
    tick: Annotated[str | None, typer.Option("--tick", help="Price step, as a decimal.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Clear one call auction from a file."""
    from engine.limits import CLEAR_FILE_BYTES_MAX
    from engine.markets.rule_sets import RULE_SETS

    if rules is not None and rules not in RULE_SETS:
        raise typer.BadParameter(f"there is no rule set {rules!r}; known: {', '.join(RULE_SETS)}", param_hint="--rules")
    step = None if tick is None else _tick_option(tick)
    try:
        if file.stat().st_size > CLEAR_FILE_BYTES_MAX:
            raise InputError(f"file: more than {CLEAR_FILE_BYTES_MAX} bytes")
        call = read_auction_file(file.read_bytes())
        named = rules or call.rule_set or "harvest"
        if named not in RULE_SETS:
            raise InputError(f"rule_set: there is no rule set {named!r:.60}; known: {', '.join(RULE_SETS)}")
        answer = answer_of(call, named, step)
    except (InputError, OSError) as error:
        print(f"qhatu clear: {file}: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(answer.as_json())
    else:
        _show(call, answer)


def _tick_option(text: str) -> Fraction:
    try:
        step = decimal(text, "--tick")
        check_tick(step, "--tick")
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint="--tick") from None
    return step


def _show(call: AuctionFile, answer: Answer) -> None:
    """The answer as tables for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if answer.price is None:
        console.print(f"No price under {answer.rules}: nothing crosses.", highlight=False)
    else:
        console.print(
            f"Price {answer.price}, volume {answer.volume:,}, surplus {answer.surplus:+,} (buy minus sell), "
            f"rules {answer.rules}",
            highlight=False,
        )

    def table(title: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        more = len(rows) - ROWS_SHOWN_MAX
        shown = Table(title=title, title_justify="left", caption=f"and {more:,} more" if more > 0 else None)
        for column in columns:
            shown.add_column(column, justify="right" if column in {"limit", "quantity", "filled"} else "left")
        for row in rows[:ROWS_SHOWN_MAX]:
            shown.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
        console.print(shown)

    sides = ("buy", "sell")
    table(
        "Orders",
        ["id", "side", "limit", "quantity", "filled"],
        [
            (name, sides[side], "-" if price is None else _plain(price), int(qty), answer.filled[name])
            for name, side, price, qty in zip(call.ids, call.side, call.prices, call.qty_lots, strict=True)
        ],
    )
    if answer.trades:
        table("Trades", ["buy", "sell", "quantity"], list(answer.trades))


def _plain(price: Fraction) -> str:
    from engine.domain.units import decimal_text

    return decimal_text(price)
