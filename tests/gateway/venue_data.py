"""A small data directory as a follower would leave it: log and archive, events, two snapshots, a configuration."""

from __future__ import annotations

from pathlib import Path

from engine.log.archive import archive_before
from engine.log.event_writer import EventWriter
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.snapshot import write_snapshot
from engine.machine import Machine
from engine.state.books import Books
from gateway.backups import EVENTS_FOLDER
from gateway.replaying import LOG_FOLDER, SNAPSHOT_FOLDER, Folding, Standing
from tests.gateway.seasons import Season

SEGMENT_BYTES = 32 * 1024


def venue_data(season: Season, data: Path, *, snapshots: bool = True) -> Path:
    """`data`, with the whole season in it; the log's first segments are archived when there are snapshots."""
    files, log_folder = RealFiles(), data / LOG_FOLDER
    log = LocalLog.open(files, log_folder, segment_bytes=SEGMENT_BYTES)
    log.claim(season.records[0].epoch)
    standing = Standing(Machine(Books()))
    machine, folding = standing.machine, Folding(standing)
    events = EventWriter(files, data / EVENTS_FOLDER, segment_bytes=SEGMENT_BYTES)
    marks = (len(season.records) // 2, len(season.records) * 3 // 4)
    for record in season.records:
        log.write(record)
        events.append(record, folding.apply(record), machine.event_digest)
        if snapshots and record.number in marks:
            events.sync()
            write_snapshot(files, data / SNAPSHOT_FOLDER, machine.snapshot(folding.tail, standing.trades.sections()))
    log.close()
    events.sync()
    while sum(path.name.endswith(".zst") for path in (data / EVENTS_FOLDER).iterdir()) < 2:
        assert events.tend()
    events.close()
    if snapshots:
        assert archive_before(files, log_folder, marks[0])
    (data / "config").mkdir()
    (data / "config" / f"{machine.venue.config_digest.hex()}.json").write_text("{}")
    return data
