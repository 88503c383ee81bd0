"""A small data directory as a follower would leave it: log and archive, events, two snapshots, SQLite."""

from __future__ import annotations

from pathlib import Path

from engine.log.archive import archive_before
from engine.log.event_writer import EventWriter
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.snapshot import write_snapshot
from engine.machine import Machine
from engine.state.books import Books
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, SNAPSHOT_FOLDER
from gateway.replaying import Folding, Standing

SEGMENT_BYTES = 32 * 1024


def venue_data(records: list[Record], data: Path) -> Path:
    """`data`, with these records of one start in it; segments up to the older snapshot are archived."""
    files, log_folder = RealFiles(), data / LOG_FOLDER
    log = LocalLog.open(files, log_folder, segment_bytes=SEGMENT_BYTES)
    log.claim(records[0].epoch)
    standing = Standing(Machine(Books()))
    machine, folding = standing.machine, Folding(standing)
    events = EventWriter(files, data / EVENTS_FOLDER, segment_bytes=SEGMENT_BYTES)
    marks = (len(records) // 2, len(records) * 3 // 4)
    for record in records:
        log.write(record)
        events.append(record, folding.apply(record), machine.event_digest)
        if record.number in marks:
            events.sync()
            write_snapshot(files, data / SNAPSHOT_FOLDER, machine.snapshot(folding.tail, standing.trades.sections()))
    log.close()
    events.sync()
    while sum(path.name.endswith(".zst") for path in (data / EVENTS_FOLDER).iterdir()) < 2:
        assert events.tend()
    events.close()
    assert archive_before(files, log_folder, marks[0])
    return data
