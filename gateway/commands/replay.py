"""`qhatu replay --data DIR`: rebuild the state from disk and print what it comes to.

As a start of the venue does: from the newest sound snapshot, and the log after it; with `--whole` from the log's
beginning. The log is read without its lock, so a running venue may be replayed too; then its last record may be left
out.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gateway.offline import AsJson, DataDir, progress_line, refusals


def replay(
    data: DataDir,
    whole: Annotated[bool, typer.Option("--whole", help="Every record from the beginning; no snapshot.")] = False,
    as_json: AsJson = False,
) -> None:
    """Exit 0: rebuilt, every record's chain and event digest agreed. Exit 1: stderr says what is wrong."""
    with refusals("replay"):
        from gateway.replaying import rebuild

        rebuilt = rebuild(data, whole=whole, progress=progress_line())
        machine = rebuilt.machine
        answer = {
            "seq": machine.seq,
            "state_hash": machine.state_hash().hex(),
            "event_digest": machine.event_digest.hex(),
            "commands": machine.seq,
            "seconds": round(rebuilt.seconds, 6),
        }
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        for name, value in answer.items():
            typer.echo(f"{name:<13} {value}")
