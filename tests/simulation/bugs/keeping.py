"""In what is kept: store, snapshots, archive, and the disk under them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.log import segments
from engine.log.interface import Tail
from engine.log.record import HEADER, decode_record
from engine.log.snapshot import TEMPORARY
from gateway.projections.sqlite import SqliteSink
from gateway.replaying import SNAPSHOT_FOLDER
from gateway.snapshots import keep
from gateway.trade_fold import TradeFold
from tests.simulation.disk import SimFiles
from tests.simulation.follower import Follower
from tests.simulation.storm import Storm
from tests.simulation.variants import Patch, Variants
from tests.simulation.world import World

CURSOR = "UPDATE cursor SET number = ?, seq = ?, ts_ns = ?, event_digest = ?"


class _Stored(Variants):
    """There is a store, and its process often dies."""

    sink_class: type[SqliteSink]

    def storm(self, storm: Storm) -> Storm:
        storm.store, storm.sink_crash_rate = True, 0.1
        return storm

    def sink(self, path: Path, step: Callable[[str], None]) -> SqliteSink:
        return self.sink_class(path, step=step)


class _InTwo(SqliteSink):
    """Rows and cursor in two transactions."""

    cursor_first: bool

    def flush(self) -> int:
        before = self.cursor
        changes, after = self.fold.changes()
        if after == before:
            return 0
        place = (after.number, after.seq, after.ts_ns, after.event_digest)
        parts = [lambda: self._write(changes), lambda: self._db.execute(CURSOR, place)]
        for part in reversed(parts) if self.cursor_first else parts:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                part()
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._step("half")
        return 1


class _RowsFirst(_InTwo):
    cursor_first = False


class _CursorFirst(_InTwo):
    cursor_first = True


class RowsBeforeCursor(_Stored):
    sink_class = _RowsFirst


class CursorBeforeRows(_Stored):
    sink_class = _CursorFirst


class _Snapshots(Variants):
    """They are taken often, and power is lost often."""

    def storm(self, storm: Storm) -> Storm:
        storm.snapshot_every, storm.serve_kills = 30, 8.0
        return storm


class SnapshotUnsynced(_Snapshots):
    """A snapshot bears its name before its bytes are durable."""

    def keep(self, follower: Follower) -> None:
        class Hasty(SimFiles):
            def open(self, path: Path, *, create: bool = False, writable: bool = True) -> int:
                handle = super().open(path, create=create, writable=writable)
                if path.name.endswith(TEMPORARY):
                    unsynced.add(handle)
                return handle

            def fdatasync(self, handle: int) -> None:
                if handle not in unsynced:
                    super().fdatasync(handle)

        unsynced: set[int] = set()
        keep(Hasty(self.world.disk, self.world.follow_faults), self.world.DATA, follower.take_snapshot())


class SnapshotForgetsTrades(_Snapshots):
    """A start on a snapshot counts trades from one again."""

    def storm(self, storm: Storm) -> Storm:
        storm.feeds, storm.screens = True, 2
        return super().storm(storm)

    def keep(self, follower: Follower) -> None:
        snapshot = follower.take_snapshot()
        snapshot.sections |= {f"extra/{name}": part for name, part in TradeFold().sections().items()}
        keep(follower.files, self.world.DATA, snapshot)


class ArchiveUnsynced(_Snapshots):
    """A segment is unlinked before the name of its archived form is durable."""

    def keep(self, follower: Follower) -> None:
        class Hasty(SimFiles):
            def fsync_dir(self, directory: Path) -> None:
                if directory.name == SNAPSHOT_FOLDER or directory == follower.world.LOG:
                    super().fsync_dir(directory)

        keep(Hasty(self.world.disk, self.world.follow_faults), self.world.DATA, follower.take_snapshot())


class FullIsNotTold(Variants):
    """A write that has no room is taken for written."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.disk.full_is_not_told = True

    def storm(self, storm: Storm) -> Storm:
        storm.fills_up = True
        return storm


class RotUnchecked(Variants):
    """Neither checksum nor chain of the log is looked at."""

    def storm(self, storm: Storm) -> Storm:
        storm.rot, storm.serve_kills = 1.0, 8.0
        return storm

    def patches(self) -> list[Patch]:
        return [
            (segments, "decode_record", _decode_anything),
            (Tail, "fault", lambda tail, record: None if record.number == tail.next_number else "it is another"),
        ]


def _decode_anything(buffer: bytes, at: int = 0):
    """The record that begins at `at`, its checksum made to fit."""
    import google_crc32c

    raw = bytearray(buffer[at:])
    if len(raw) >= HEADER.itemsize:
        length = int.from_bytes(raw[4:8], "little")
        raw[8:12] = bytes(4)
        raw[8:12] = google_crc32c.value(bytes(raw[:length])).to_bytes(4, "little")
    return decode_record(bytes(raw))
