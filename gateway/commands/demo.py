"""`qhatu demo`: a live harvest season on real lots, or a whole one at once with `--fast`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.config import Config
    from gateway.demo.rehearsal import Result
    from gateway.demo.sale_day import Played

RESTART_SECONDS = 2.0
COLUMNS_MIN = 136  # a narrower terminal wraps lines rather than cut figures


def demo(
    fast: Annotated[
        bool, typer.Option("--fast", help="Play a whole season without waiting and print its table.")
    ] = False,
    sales: Annotated[
        bool, typer.Option("--sales", help="Play a day of sales through the public API, print what was sold, and end.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=999_999, help="Chooses what the clients do.")] = 1,
    minutes: Annotated[
        int | None, typer.Option("--minutes", min=1, max=1_440, help="Length of a --fast season.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Another configuration with a season.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Where the venue keeps its log.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="Port; 0 picks a free one.")] = None,
) -> None:
    """Run a season. Ctrl-C ends it in order; the next start goes on where it stopped."""
    from gateway.config import ConfigError, default_path, load

    if sales:
        raise typer.Exit(day_of_sales(seed, data, port))
    try:
        path = config or default_path("demo")
        found = load(path)
        if found.season is None:
            raise ConfigError(path, "season", "a demo needs a season")
    except ConfigError as error:
        typer.echo(f"qhatu: {error}", err=True)
        raise typer.Exit(1) from None
    if fast:
        play(found, seed, minutes)
    else:
        raise typer.Exit(live(found, path, seed, data, host, port))


# A season that is served


def live(config: Config, path: Path, seed: int, data: Path | None, host: str | None, port: int | None) -> int:
    """Serve, with a process of clients beside it; returns the exit code."""
    from engine.log.interface import LogCorrupt, LogFailed
    from engine.log.replay import DigestDiffers
    from gateway import logs
    from gateway.config import ConfigError
    from gateway.settings import Settings
    from gateway.venue import StartRefused, run

    logs.to_stderr()
    settings = Settings.of(config.server, data=data, host=host, port=port)
    clients = Supervisor()

    def announce(url: str) -> None:
        command = [sys.executable, "-m", "gateway.demo.agents", "--url", url, "--seed", str(seed)]
        clients.start([*command, "--parent-pid", str(os.getpid()), "--config", str(path)])
        print(welcome(config, url, seed, settings.data), flush=True)

    typer.echo("qhatu: starting the demo season", err=True)
    try:
        return run(settings, config, announce=announce)
    except (ConfigError, StartRefused, LogCorrupt, LogFailed, DigestDiffers, OSError) as error:
        typer.echo(f"qhatu: {error}", err=True)
        return 1
    finally:
        clients.stop()


class Supervisor:
    """The process of clients: started again after a pause when it ends before its time."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        threading.Thread(target=self._watch, args=(command,), daemon=True).start()

    def _watch(self, command: list[str]) -> None:
        assert self.process is not None
        code = self.process.wait()
        if not self.stopping.wait(RESTART_SECONDS):
            print(f"qhatu: the clients ended with code {code}; starting them again", file=sys.stderr, flush=True)
            self.start(command)

    def stop(self) -> None:
        """End the process, by force after five seconds."""
        self.stopping.set()
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def welcome(config: Config, url: str, seed: int, data: Path) -> str:
    """What a newcomer needs to know."""
    from gateway.demo.parties import OPERATOR, VISITOR, parties

    assert config.season is not None, "checked"
    tokens = {p.account: p.token(config.venue) for p in parties(config.season, config.coffee)}
    return f"""
A harvest season is being traded at {url}

  Watch the market      {url}/
  Trade as a visitor    {url}/#key={tokens[VISITOR]}
  Act as the operator   {url}/#key={tokens[OPERATOR]}

Open the second link to buy and sell with an account of your own, the third to move phases and sales. Every minute all
books clear in one call auction; in between they trade continuously, and a lot sale runs beside them. Co-ops and
importers are programs (seed {seed}); the lots are real. The keys in these links are public: use them for this demo
alone. Everything is kept in {data}: Ctrl-C stops, and the next start goes on.
"""


# A day of sales


def day_of_sales(seed: int, data: Path | None, port: int | None) -> int:
    """A venue of its own in a new directory, a Helmsman, a sealed and a clock sale. Returns the exit code."""
    import asyncio
    import tempfile

    from rich.console import Console

    from gateway.demo.sale_day import Size, config_text, play

    console = Console(highlight=False)
    console.width = max(console.width, COLUMNS_MIN)
    size, venue = Size(), "qhatu-sales"
    with tempfile.TemporaryDirectory(prefix="qhatu-sales-") as folder:
        config = Path(folder) / "sales.toml"
        config.write_text(config_text(venue, size), encoding="utf-8")
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config), "--port", str(port or 0)]
        command += ["--data", str(data or Path(folder) / "data")]
        served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = listening_at(served)
            typer.echo(f"qhatu: a day of sales at {url} (seed {seed}): watch it at {url}/#/sales", err=True)

            def say(played: Played) -> None:
                console.print(played_table(played))

            asyncio.run(play(url, venue, seed, size, say))
        finally:
            served.terminate()
            code = served.wait(30)
    return code


def listening_at(served: subprocess.Popen[str]) -> str:
    """Where a venue that was just started listens. Raises RuntimeError when it ends instead."""
    import re

    assert served.stdout is not None
    for line in served.stdout:
        if found := re.search(r"http://\S+?:\d+", line):
            return found[0]
    raise RuntimeError(f"the venue ended with exit code {served.wait()}")


def played_table(played: Played) -> Table:
    from decimal import Decimal

    from rich import box
    from rich.table import Table

    rounds = f", {played.rounds} rounds" if played.rounds else ""
    title = f"{played.title} ({played.mechanism}): {played.bids} bids taken, {played.refused} refused{rounds}"
    table = Table(title=title, title_justify="left", show_footer=True, box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("Lot", justify="right")
    table.add_column("", footer=f"Passed in: {played.passed_in}", no_wrap=True, max_width=64)
    for name in ("Buyers", "Bags", "USD/lb"):
        table.add_column(name, justify="right", no_wrap=True)
    total = sum((Decimal(one.value) for one in played.sold), Decimal(0))
    table.add_column("USD", footer=f"{total:,.2f}", justify="right", no_wrap=True)
    for one in played.sold:
        table.add_row(str(one.lot), one.title, str(one.buyers), str(one.bags), one.price, f"{Decimal(one.value):,.2f}")
    table.caption = f"checksum {played.checksum}"
    return table


# A season at once


def play(config: Config, seed: int, minutes: int | None) -> None:
    """Play and print. The same seed gives the same table and checksum."""
    import time

    import msgspec
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from gateway import warm

    assert config.season is not None, "checked"
    season = config.season if minutes is None else msgspec.structs.replace(config.season, minutes=minutes)
    started = time.monotonic()
    if warm.is_cold():
        typer.echo("qhatu: compiling kernels (first start only)...", err=True)
    warm.warm()
    compiled = time.monotonic()
    from gateway.demo.rehearsal import Rehearsal

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} of {task.total} minutes"),
        console=Console(stderr=True), transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task("playing the season", total=season.minutes)
        rehearsal = Rehearsal(
            msgspec.structs.replace(config, season=season), seed,
            on_minute=lambda minute: progress.update(task, completed=minute),
        )  # fmt: skip
        result = rehearsal.play()
    report(result, seed, season.minutes)
    took = f"compiled in {compiled - started:.1f} s, played in {time.monotonic() - compiled:.1f} s"
    typer.echo(f"qhatu: {took}", err=True)


def report(result: Result, seed: int, minutes: int) -> None:
    """The season as two tables and a checksum, on stdout."""
    from rich.console import Console

    console = Console(highlight=False)
    console.width = max(console.width, COLUMNS_MIN)
    console.print(f"\nHarvest season: {minutes} call auctions in each book, seed {seed}\n")
    console.print(books_table(result))
    console.print(sales_table(result))
    console.print(
        f"{result.commands:,} commands, {result.events:,} events, "
        f"{sum(result.rejects.values()):,} orders refused between two phases\nchecksum {result.checksum}"
    )


def books_table(result: Result) -> Table:
    from collections import Counter
    from fractions import Fraction

    from rich import box
    from rich.table import Table

    table = Table(title="Books", title_justify="left", show_footer=True, box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("Instrument", footer="Together", no_wrap=True)
    for name in ("Lot kg", "Offered", "Sold", "%", "Calls", "Clearing", "Reference", "Apart", "Value"):
        table.add_column(name, justify="right", no_wrap=True)
    money: Counter[str] = Counter()
    for listing in sorted(result.config.instruments, key=lambda found: found.body.symbol):
        instrument = result.machine.venue.instruments[listing.body.instrument]
        book, reference = result.books[instrument.symbol], instrument.reference
        money[instrument.currency] += book.value_minor
        mean = round(Fraction(book.call_ticks_x_lots, book.sold_in_calls)) if book.sold_in_calls else None
        table.add_row(
            instrument.symbol,
            instrument.attributes["lot_kg"],
            f"{book.offered:,}",
            f"{book.sold:,}",
            f"{100 * book.sold / book.offered:.0f}" if book.offered else "-",
            str(book.calls),
            "-" if mean is None else instrument.price_text(mean),
            "-" if reference is None else f"{instrument.price_text(reference)} {instrument.price_unit}",
            "-" if mean is None or not reference else f"{100 * (mean - reference) / reference:+.2f} %",
            f"{book.value_minor / 100:,.2f} {instrument.currency}",
        )
    table.columns[-1].footer = "\n".join(f"{minor / 100:,.2f} {currency}" for currency, minor in sorted(money.items()))
    table.caption = (
        "Offered, sold: bags (boxes, tonnes, quintals). Calls: auctions that found a price. Clearing: mean price of "
        "the calls, weighted by what they traded. Value: all fills, per currency, never converted."
    )
    return table


def sales_table(result: Result) -> Table:
    from collections import Counter
    from fractions import Fraction

    from rich import box
    from rich.table import Table

    from engine.domain.units import ticks_to_text
    from engine.state.sales.english import EnglishState

    table = Table(title="Helmsman sales", title_justify="left", show_footer=True, box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("Sale", justify="right")
    table.add_column("Lot", footer="Together", no_wrap=True, max_width=48)
    for name in ("Bags", "Kg", "Bids", "Price"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Winner", no_wrap=True)
    table.add_column("Value", justify="right", no_wrap=True)
    total: Counter[str] = Counter()
    for number, sale in sorted(result.machine.venue.sales.items()):
        assert isinstance(sale.market, EnglishState)
        for at, (lot, plan) in enumerate(zip(sale.market.lots, sale.terms.lots, strict=True), 1):
            price = None if lot.price is None else ticks_to_text(lot.price, sale.tick_size)
            value = 0 if lot.price is None else sale.value_minor(sale.grams(at), lot.price)
            total[sale.terms.unit.currency] += value
            table.add_row(
                str(number),
                plan.title,
                str(plan.bags),
                f"{round(Fraction(sale.grams(at), 1000)):,}",
                str(lot.bids),
                f"{price} {sale.terms.unit.price_unit}" if price else "passed in",
                result.labels.get(lot.leader, "-"),
                f"{value / 100:,.2f} {sale.terms.unit.currency}",
            )
    table.columns[-1].footer = "\n".join(f"{minor / 100:,.2f} {currency}" for currency, minor in sorted(total.items()))
    return table
