"""`qhatu verify --data DIR`: every record, and the compiled kernels against the plain-Python oracle over the log.

Two machines take each record; their events are compared byte by byte, and in the end the hashes of their states. The
chain of records, the event digests that the venue wrote and every snapshot are checked on the way.

Of older generations of the rules the chain of records is checked, and that this one began on the state they ended with;
what they mean is verified by the release that wrote them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import typer

from gateway.offline import AsJson, DataDir, Refused, progress_line, refusals


def verify(data: DataDir, as_json: AsJson = False) -> None:
    """Exit 0: everything agrees. Exit 1: stderr names the first command that does not."""
    with refusals("verify"):
        answer = verified(data)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        for generation, records in answer.pop("older", {}).items():
            typer.echo(f"generation {generation:<2} {records} records chained; verified by the release that wrote them")
        for name, value in answer.items():
            typer.echo(f"{name:<13} {value}")


def verified(data: Path) -> dict[str, Any]:
    """What was compared. Raises Refused where kernel and oracle differ or a snapshot is not the state that the log
    gives, and what reading the log raises."""
    import numpy as np

    from engine.log.replay import DigestCheck
    from engine.log.snapshot import list_snapshots
    from engine.oracle.books import Books as OracleBooks
    from gateway.replaying import SNAPSHOT_FOLDER, compiled_books, open_log, stand

    log, tell, folder = open_log(data), progress_line(), data / SNAPSHOT_FOLDER
    standing = stand(log.files, folder, log, compiled_books, whole=True)
    kernel, oracle = standing.machine, stand(log.files, folder, log, OracleBooks, whole=True).machine
    older = _older(log, standing.number)
    snapshots = set(list_snapshots(log.files, folder))
    check = DigestCheck(kernel.seq, kernel.event_digest)
    records = events_compared = snapshots_compared = 0
    for record in log.read(standing.tail):
        check.check(record)
        found, expected = kernel.apply(record), oracle.apply(record)
        if found.tobytes() != expected.tobytes():
            raise Refused(_difference(record, found, expected, np))
        check.applied(kernel.seq, kernel.event_digest)
        records += 1
        events_compared += len(found)
        if record.number in snapshots and _snapshot_agrees(log.files, folder, record.number, kernel.state_hash()):
            snapshots_compared += 1
        if tell:
            tell(record)
    if kernel.state_hash() != oracle.state_hash():
        raise Refused(
            f"after command {kernel.seq} the kernel's state has hash {kernel.state_hash().hex()}, "
            f"the oracle's {oracle.state_hash().hex()}"
        )
    return {
        "seq": kernel.seq,
        "records": records,
        "commands": kernel.seq,
        "events": events_compared,
        "snapshots": snapshots_compared,
        "state_hash": kernel.state_hash().hex(),
        "event_digest": kernel.event_digest.hex(),
        "verified": True,
    } | ({"older": older} if older else {})


def _older(log: Any, until: int) -> dict[str, int]:
    """Records of each older generation, up to record `until`; their chain is checked while they are read."""
    counts: Counter[int] = Counter()
    if until and log.has(1):
        for record in log.read():
            if record.number > until:
                break
            if record.generation < max(counts, default=0):
                raise Refused(f"record {record.number} falls back to generation {record.generation}")
            counts[record.generation] += 1
    return {str(generation): counts[generation] for generation in sorted(counts)}


def _snapshot_agrees(files: Any, folder: Path, number: int, state_hash: bytes) -> bool:
    """Whether the snapshot is there, whole, and of this state; False when it was removed meanwhile. Raises Refused."""
    from engine.log.snapshot import BadSnapshot, read_snapshot, snapshot_name

    try:
        snapshot = read_snapshot(files, folder / snapshot_name(number))
    except FileNotFoundError:
        return False
    except BadSnapshot as error:
        raise Refused(f"{error}; delete it: the log gives that state again") from error
    if snapshot.state_hash != state_hash:
        raise Refused(
            f"snapshot {snapshot_name(number)} has state {snapshot.state_hash.hex()}, the log gives {state_hash.hex()}"
        )
    return True


def _difference(record: Any, found: Any, expected: Any, np: Any) -> str:
    """The first event of a record in which the two differ."""
    n = min(len(found), len(expected))
    at = np.flatnonzero(found[:n] != expected[:n])
    place = int(at[0]) if len(at) else n
    longer = found if place < len(found) else expected
    seq = record.first_seq + int(longer["command"][place])
    shown = [str(events[place]) if place < len(events) else "nothing" for events in (found, expected)]
    return f"command {seq}, event {int(longer['index'][place])}: the kernel gives {shown[0]}, the oracle {shown[1]}"
