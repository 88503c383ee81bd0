"""Opening this release's generation of the rules on a log that ends in an older one. Only a start of the venue does it.

    the older release stops in order, `qhatu snapshot`  ->  this one starts: migrate the snapshot, append GENERATION and
    the empty record that makes it known durable, go on as any start does

Until GENERATION is durable nothing has changed, and the next start does it again; once it is, the boundary stands: the
last snapshot of the older generation is kept for ever, and every replay begins there or later. GENERATION carries the
time of the last record, so nothing falls due in it, and RESUME tells of the whole outage.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

from engine.codes import GENERATION
from engine.generations import OtherGeneration, migrated
from engine.log.event_reader import EventReader
from engine.log.events import EventsCorrupt
from engine.log.files import Files
from engine.log.local import LocalLog
from engine.log.snapshot import BadSnapshot, Snapshot, list_snapshots, read_snapshot, snapshot_name
from engine.machine import Machine
from engine.messages.batch import Batch, cold
from engine.messages.bodies import Generation
from engine.messages.rows import COMMAND
from engine.state.hot import Hot
from gateway.places import EVENTS_FOLDER, SNAPSHOT_FOLDER
from gateway.replaying import WrongGeneration
from gateway.sequencer import Stamp


def upgrade(files: Files, data: Path, log: LocalLog, make_hot: Callable[[], Hot]) -> list[str]:
    """Bring the log to this generation, when it ends in an older one; what was done, in words.

    Raises WrongGeneration, with nothing changed, when the older generation was not ended by a snapshot; LogCorrupt,
    LogFailed.
    """
    if log.generation in (0, GENERATION):
        return []
    if log.generation > GENERATION:
        return []  # `stand` refuses it
    before = _at_the_end(files, data / SNAPSHOT_FOLDER, log)
    _check_events(files, data / EVENTS_FOLDER, before)
    try:
        after = migrated(before)
        machine = Machine.restored(make_hot(), after, log.skips)
    except (BadSnapshot, OtherGeneration) as error:
        raise WrongGeneration(f"the log cannot be brought to generation {GENERATION}: {error}") from error
    release = metadata.version("qhatu")
    body = Generation(before.generation, GENERATION, before.state_hash, after.state_hash, release)
    stamp = Stamp(log.claim(), log.shard)
    log.write(stamp.record(cold(body), 0, machine.seq, machine.event_digest))
    log.write(stamp.record(Batch(np.zeros(0, COMMAND)), 0, machine.seq, machine.event_digest))
    became = f"the state {before.state_hash.hex()} of generation {before.generation} is {after.state_hash.hex()} in it"
    return [f"generation {GENERATION} of the rules begins after command {machine.seq:,}: {became}"]


def _check_events(files: Files, folder: Path, snapshot: Snapshot) -> None:
    """Events of the older generation, where they are kept, go up to its end: nobody could write the missing ones later.
    Raises WrongGeneration."""
    reader = EventReader(files, folder, snapshot.number)
    try:
        while reader.poll():
            """Only where they end is asked."""
        seq, trouble = reader.end.seq, ""
    except (EventsCorrupt, ValueError) as error:
        seq, trouble = 0, f" ({error})"
    finally:
        reader.close()
    if trouble or 0 < seq < snapshot.seq:
        raise WrongGeneration(
            f"the events are written up to command {seq:,}{trouble}, generation {snapshot.generation} ends with "
            f"command {snapshot.seq:,}, and only the release that wrote it can write the others: start and stop the "
            "venue in order with that release"
        )


def _at_the_end(files: Files, folder: Path, log: LocalLog) -> Snapshot:
    """The snapshot at the end of the durable log: no command follows it."""
    tried, made_by = "there is none there", ""
    for number in list_snapshots(files, folder):
        try:
            snapshot = read_snapshot(files, folder / snapshot_name(number))
        except (BadSnapshot, OSError) as error:
            tried = str(error)
            continue
        made_by = made_by or snapshot.made_by.get("qhatu", "")
        if snapshot.generation == log.generation and snapshot.tail.next_seq == log.tail.next_seq:
            for _ in log.read(snapshot.tail):
                """That it is a place of this log is checked on the way."""
            return snapshot
    release = f"release {made_by}" if made_by else "the release"
    end, seq = log.generation, log.tail.next_seq - 1
    raise WrongGeneration(
        f"the log ends in generation {end} of the rules and this release applies {GENERATION}; an upgrade begins at a "
        f"snapshot of its end, command {seq:,} ({tried}). End generation {end} with {release} that wrote it: start and "
        "stop the venue in order, then `qhatu snapshot`"
    )
