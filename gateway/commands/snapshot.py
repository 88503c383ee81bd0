"""`qhatu snapshot --data DIR`: the state at the end of the durable log as a snapshot, so that the next start is quick.

The follower makes them by itself; this is for the end of a generation (an upgrade) and for a venue that was killed. The
log is read without its lock, so a running venue may be taken too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from gateway.offline import AsJson, DataDir, progress_line, refusals


def snapshot(data: DataDir, as_json: AsJson = False) -> None:
    """Exit 0: written, synced and read back. Exit 1: stderr says why not; nothing that was there is changed."""
    with refusals("snapshot"):
        answer = snapshot_taken(data)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"snapshot of command {answer['seq']:,} (record {answer['number']:,}): {answer['file']}")


def snapshot_taken(data: Path) -> dict[str, Any]:
    """What was written. Raises what rebuilding the state raises, BadSnapshot, OSError."""
    from engine.log.snapshot import prune_snapshots, read_snapshot, write_snapshot
    from gateway.replaying import SNAPSHOT_FOLDER, made_by, rebuild

    rebuilt = rebuild(data, progress=progress_line())
    files, folder = rebuilt.log.files, data / SNAPSHOT_FOLDER
    taken = rebuilt.machine.snapshot(rebuilt.tail, rebuilt.trades.sections())
    taken.made_by = made_by()
    path = write_snapshot(files, folder, taken)
    assert read_snapshot(files, path).state_hash == taken.state_hash
    prune_snapshots(files, folder)
    return {
        "seq": taken.seq,
        "number": taken.number,
        "state_hash": taken.state_hash.hex(),
        "file": str(path),
        "bytes": path.stat().st_size,
    }
