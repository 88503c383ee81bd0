"""`qhatu serve`: the venue in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    config: Annotated[Path | None, typer.Option(help="Configuration; read when a venue begins.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of the log and of all that is made from it.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; 0 picks a free one.")] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Without follower and sink: no snapshots, no history.")
    ] = False,
) -> None:
    """Run the venue. One line on stdout, the URL, once it takes orders; SIGTERM ends it in order with exit code 0.

    Other exit codes: 1 it could not start, 3 the follower came to other events, 4 the log failed, 5 the engine failed.
    """
    from engine.log.interface import LogCorrupt, LogFailed
    from engine.log.replay import DigestDiffers
    from gateway import logs
    from gateway.config import ConfigError, default_path, load
    from gateway.settings import Settings
    from gateway.venue import StartRefused, run

    logs.to_stderr()
    try:
        found = load(config if config is not None else default_path("default"))
        settings = Settings.of(found.server, data=data, host=host, port=port, follower=not alone)

        def announce(url: str) -> None:
            print(f"Qhatu takes orders at {url}", flush=True)

        code = run(settings, found if config is not None else None, announce=announce)
    except (ConfigError, StartRefused, LogCorrupt, LogFailed, DigestDiffers, OSError) as error:
        typer.echo(f"qhatu: {error}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(code)
