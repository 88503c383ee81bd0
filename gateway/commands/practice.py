"""`qhatu practice [demo | FILE.csv | DIR]`: a sale on lots of the past, against programs, in its own venue.

The venue is a real one: log, engine, page. Its data directory is marked as one for practice and holds nothing else; a
directory with another venue is refused. Where the lots come from is only read.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer


def practice(
    season: Annotated[
        str, typer.Argument(help="demo: graded lots that ship with it; a CSV file of lots; a venue's data directory.")
    ] = "demo",
    sale: Annotated[
        int, typer.Option("--sale", min=0, help="Which sale of the season; 0: the first, or the last held.")
    ] = 0,
    lots: Annotated[int, typer.Option("--lots", min=1, max=200, help="Auction lots in it, at most.")] = 12,
    rivals: Annotated[
        int, typer.Option("--rivals", min=1, max=18, help="Simulated bidders, when the venue is new.")
    ] = 12,
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=100, help="Times as fast as a real sale.")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0, max=999_999, help="Chooses what the rivals think.")] = 1,
    data: Annotated[Path, typer.Option("--data", help="Directory of practice venues.")] = Path("var/practice"),
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port; 0 picks a free one.")] = 8080,
) -> None:
    """Run a practice sale. Ctrl-C ends it; the next start opens another one beside those that were."""
    from engine.log.interface import LogCorrupt, LogFailed
    from engine.log.replay import DigestDiffers
    from gateway import logs
    from gateway.commands.demo import Supervisor
    from gateway.config import ConfigError, load
    from gateway.lot_csv import BadFile
    from gateway.practice.lots import NoLots, lots_of
    from gateway.practice.rivals import PLAN, Plan
    from gateway.practice.venue import NotPractice, opened
    from gateway.replaying import NoVenue, NoWayBack
    from gateway.settings import Settings
    from gateway.venue import StartRefused, run

    logs.to_stderr()
    clients = Supervisor()
    try:
        title, chosen = lots_of(season, sale, lots, time.time_ns())
        venue = opened(data, rivals)
        (data / PLAN).write_text(Plan(title, chosen, seed, speed).written(), "utf-8")
        config = load(venue.config)
        settings = Settings.of(config.server, data=data, host=None, port=port)

        def announce(url: str) -> None:
            command = [sys.executable, "-m", "gateway.practice.rivals", "--url", url, "--folder", str(data)]
            clients.start([*command, "--parent-pid", str(os.getpid())])
            print(_welcome(url, title, len(chosen), len(venue.rivals), venue.tokens), flush=True)

        raise typer.Exit(run(settings, config, announce=announce))
    except (
        NoLots, BadFile, NotPractice, ConfigError, NoVenue, NoWayBack, StartRefused, LogCorrupt, LogFailed,
        DigestDiffers, OSError,
    ) as error:  # fmt: skip
        typer.echo(f"qhatu practice: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        clients.stop()


def _welcome(url: str, title: str, lots: int, rivals: int, tokens: dict[int, str]) -> str:
    from gateway.practice.venue import OPERATOR, PERSON

    return f"""
{title}: {lots} lots, {rivals} simulated bidders, at {url}

  Bid                   {url}/#key={tokens[PERSON]}
  Act as the operator   {url}/#key={tokens[OPERATOR]}

Nothing is sold here. The clock starts when every lot has a bid; each bid on any lot winds it up again. Ctrl-C stops.
"""
