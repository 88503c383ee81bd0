"""`qhatu restore --from TARGET --data DIR`: a data directory out of a backup, checked before it bears its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.offline import AsJson, DataDir, refusals

if TYPE_CHECKING:
    from gateway.backups import Manifest


def restore(
    source: Annotated[Path, typer.Option("--from", help="A directory that `qhatu backup` made.", show_default=False)],
    data: DataDir,
    as_json: AsJson = False,
) -> None:
    """Exit 0: restored and checked. Exit 1: nothing was made, stderr names the file that is damaged or missing."""
    with refusals("restore"):
        from gateway import restoring

        made = restoring.restore(source, data)
    if as_json:
        answer = {name: getattr(made, name) for name in ("venue", "seq", "number", "as_of", "state_hash", "made_at")}
        typer.echo(json.dumps(answer | {"data": str(data)}))
    else:
        for line in words(made, data):
            typer.echo(line)


def words(made: Manifest, data: Path) -> list[str]:
    """What stands now, and what it means."""
    return [
        f"{data} holds venue {made.venue} as of {made.as_of}: command {made.seq:,}, record {made.number:,}, "
        f"state {made.state_hash}",
        "Every file, the chain of records and the rebuilt state agree with the backup.",
        f"What was acknowledged after command {made.seq:,} is not in it. A client that asks again with the same "
        "client_order_id gets the old answer for what is in it, and a new order for what is not.",
        f"Start it with `qhatu serve --data {data}`. It begins a new epoch: clients read their orders anew. "
        "Tables and other sinks that had gone further are made anew.",
        "Never start the venue that the backup was taken from again: two would go on from one past.",
    ]
