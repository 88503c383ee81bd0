"""Bits that turn while the serving process is down: what may come of it, and what never.

Any bit of any file may rot, but one kind is only tried on a copy: a bit of the last record, before anything vouches for
it. Nobody can tell that from a write that was torn, so it is cut, and said.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from engine.log.interface import LogCorrupt
from engine.log.local import End, LocalLog
from engine.log.record import padded
from tests.simulation.disk import SimFiles

if TYPE_CHECKING:
    from tests.simulation.world import World


class Rot:
    def __init__(self, world: World) -> None:
        self.world = world
        self.events_in_doubt = False  # a bit of them has rotted, and may have been compressed since

    def strike(self) -> None:
        """One bit over the whole disk, and one at a time."""
        world, chance = self.world, self.world.chance
        if world.disk.rotten():
            return
        files = [(path, name, inode) for path, name, inode in world.disk.files() if any(inode.cached.data)]
        if not files:
            return
        log, end = self._scanned()
        if end is not None and end.last and chance.random() < 0.2:
            self._try_last_record(log, end)
            return
        path, name, inode = chance.choice(files)
        data = bytes(inode.cached.data)
        at = chance.randrange(len(data.rstrip(b"\0")) if chance.random() < 0.9 else len(data))
        bits = 1 << chance.randrange(8)
        if end is not None and f"{path}/{name}" == str(end.path) and at in _unvouched(end):
            return
        world.note(f"rot {path}/{name} {at} {bits}")
        world.disk.rot(inode, at, bits)
        self.events_in_doubt |= path == str(world.EVENTS)

    def _scanned(self) -> tuple[LocalLog, End | None]:
        log = LocalLog(SimFiles(self.world.disk), self.world.LOG, 0, self.world.SEGMENT_BYTES)
        return log, log._scan()

    def _try_last_record(self, log: LocalLog, end: End) -> None:
        """On a copy of the disk: it is refused, or harmless, or that record alone is cut and the operator told."""
        world, last = self.world, end.last
        assert last is not None
        disk = copy.deepcopy(world.disk)
        inode = disk.folders[str(end.path.parent)].entries[end.path.name]
        disk.rot(inode, world.chance.choice(_unvouched(end)), 1 << world.chance.randrange(8))
        try:
            found = LocalLog.open(SimFiles(disk), world.LOG, segment_bytes=world.SEGMENT_BYTES)
        except LogCorrupt as error:
            world.note(f"rot of the last record: {error}")
            return
        cut = found.tail.next_number == last.number and found.tail.digest == last.prev_digest and found.notes
        if found.tail != log.tail and not cut:
            raise world.violated(f"a bit of record {last.number} turned, and the log ends at {found.tail}")
        if [record.raw for record in found.read()] != [record.raw for record in log.read()][: found.durable_number]:
            raise world.violated(f"a bit of record {last.number} turned, and the log tells another story")


def _unvouched(end: End) -> range:
    """Bytes of the last record of the last segment, none when that is empty."""
    return range(end.at - padded(len(end.last.raw)), end.at) if end.last is not None else range(0)
