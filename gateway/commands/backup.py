"""`qhatu backup --data DIR --to TARGET`: a checked copy of a venue's data, also while the venue runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.offline import AsJson, DataDir, refusals


def backup(
    data: DataDir,
    to: Annotated[Path, typer.Option("--to", help="Directory to make; best on another disk.", show_default=False)],
    with_history: Annotated[
        bool, typer.Option("--with-history", help="Copy the SQLite tables, too; else they are made anew from the rest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Exit 0: written whole and checked. Exit 1: there is no backup, stderr says why."""
    with refusals("backup"):
        from gateway.backups import back_up

        made = back_up(data, to, with_history=with_history)
    size = sum(kept.bytes for kept in made.files)
    answer = {
        "backup": str(to),
        "venue": made.venue,
        "seq": made.seq,
        "number": made.number,
        "as_of": made.as_of,
        "state_hash": made.state_hash,
        "files": len(made.files),
        "bytes": size,
        "notes": made.notes,
    }
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for name, value in answer.items():
        if name != "notes":
            typer.echo(f"{name:<10}  {value}")
    for note in made.notes:
        typer.echo(f"Note: {note}.")
    typer.echo(f"Checked: every file read back, the chain of records walked, the state rebuilt. It holds secrets: {to}")
