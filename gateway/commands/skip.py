"""`qhatu skip --data DIR --seq N --why TEXT`: pass over one command that stopped the venue, with the venue stopped.

Appends a SKIP that names the sequence; every replay collects all SKIPs before it applies anything, so from now on that
command yields one `skipped` event and changes nothing. The record carries the time of the last one: nothing falls due
in it, and the next start tells of the whole outage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.offline import AsJson, DataDir, Refused, refusals


def skip(
    data: DataDir,
    seq: Annotated[int, typer.Option("--seq", min=1, help="Sequence of the command to pass over.")],
    why: Annotated[str, typer.Option("--why", help="The reason, kept in the log.")],
    as_json: AsJson = False,
) -> None:
    """Exit 0: appended. Exit 1: nothing was changed, stderr says why."""
    with refusals("skip"):
        answer = skipped(data, seq, why)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"command {answer['seq']} is passed over from now on (record {answer['number']})")


def skipped(data: Path, seq: int, why: str) -> dict[str, Any]:
    """Append the SKIP and the empty record that makes it known durable.

    Raises Refused: no such command, one that the venue had applied (its effects were told; passing over it would
    rewrite them), a RESUME or SKIP, or one passed over already; Locked while a venue runs.
    """
    import numpy as np

    from engine.codes import CommandKind, name_of
    from engine.messages.batch import Batch, cold
    from engine.messages.bodies import Skip
    from engine.messages.rows import COMMAND
    from gateway.replaying import SNAPSHOT_FOLDER, compiled_books, open_log, stand
    from gateway.sequencer import Stamp

    if not 0 < len(why) <= 256:
        raise Refused("--why takes 1 to 256 characters")
    log = open_log(data, writable=True)
    try:
        last = holder = None
        standing = stand(log.files, data / SNAPSHOT_FOLDER, log, compiled_books)
        if seq <= standing.machine.seq:
            raise Refused(f"command {seq} was applied (a snapshot holds command {standing.machine.seq}): it stands")
        for record in log.read(standing.tail):
            last = record
            if record.first_seq <= seq < record.next_seq:
                holder = record
        if holder is None or last is None:
            raise Refused(f"there is no command {seq}: the log ends with {log.tail.next_seq - 1}")
        if seq <= last.applied_seq:
            raise Refused(f"command {seq} was applied before the venue stopped (up to {last.applied_seq}): it stands")
        if seq in log.skips:
            raise Refused(f"command {seq} is passed over already")
        kind = int(holder.batch.rows["kind"][seq - holder.first_seq])
        if kind in (CommandKind.SKIP, CommandKind.GENERATION):
            raise Refused(f"command {seq} is a {name_of(CommandKind, kind)}: it cannot be passed over")
        stamp = Stamp(log.claim(), log.shard)
        record = stamp.record(cold(Skip(seq, why)), 0, last.applied_seq, last.event_digest)
        log.write(record)
        log.write(stamp.record(Batch(np.zeros(0, COMMAND)), 0, last.applied_seq, last.event_digest))
    finally:
        log.close()
    return {"seq": seq, "kind": name_of(CommandKind, kind), "number": record.number, "why": why}
