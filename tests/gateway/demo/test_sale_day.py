"""A small day of sales through the public API of a real venue."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from gateway.commands.demo import listening_at, played_table
from gateway.demo.sale_day import CONTAINER_BAGS, MONTHS, Played, Size, config_text, play, sale_day_lots

SMALL = Size(
    lots=3, bidders=12, sealed_lots=2, containers=12, buyers=12, clock_seconds=1, round_seconds=2, open_seconds=5,
    sealed_seconds=4,
)  # fmt: skip


def test_three_sales_are_played_and_nothing_is_sold_twice(tmp_path: Path) -> None:
    config = tmp_path / "sales.toml"
    config.write_text(config_text("small-day", SMALL), encoding="utf-8")
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config), "--data", str(tmp_path / "data")]
    served = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
    days: list[Played] = []
    try:
        asyncio.run(play(listening_at(served), "small-day", 3, SMALL, days.append))
    finally:
        served.terminate()
        assert served.wait(60) == 0
    helmsman, sealed, clock = days
    assert [day.mechanism for day in days] == ["english", "sealed", "clock"]
    assert all(day.bids for day in days)
    bags = {n: lot.bags for n, lot in enumerate(sale_day_lots(SMALL.lots), 1)}
    assert len(helmsman.sold) + helmsman.passed_in == SMALL.lots and helmsman.sold
    for one in helmsman.sold:
        assert (one.buyers, one.bags) == (1, bags[one.lot]) and float(one.price) >= 4
    assert all(one.buyers == 1 and float(one.price) >= 3 for one in sealed.sold) and sealed.sold
    supply = SMALL.containers // len(MONTHS) * CONTAINER_BAGS
    assert clock.rounds >= 1 and clock.sold
    assert all(0 < one.bags <= supply and one.bags % CONTAINER_BAGS == 0 for one in clock.sold)
    assert played_table(clock).row_count == len(clock.sold)
