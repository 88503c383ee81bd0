"""A disk that keeps what was synced, and of the rest what chance leaves.

Writes go to a cache. A sync makes a file's writes durable; a sync of the directory makes its names durable. Power loss
keeps each unsynced sector or not, and a prefix of the unsynced changes of names. A sync that fails marks everything
clean although only part of it arrived, as Linux does: asking again would say yes.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from random import Random

from engine.log.files import Locked
from tests.simulation.loop import PROCESS, Crash

SECTOR = 512


class Inode:
    def __init__(self) -> None:
        self.cached = bytearray()
        self.durable = bytearray()
        self.dirty: list[tuple[int, bytes | None]] = []  # offset and bytes written; None: cut to that length

    @staticmethod
    def put(content: bytearray, offset: int, data: bytes) -> None:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data

    def flush(self) -> None:
        for offset, data in self.dirty:
            if data is None:
                del self.durable[offset:]
            else:
                self.put(self.durable, offset, data)
        self.dirty.clear()

    def flush_some(self, chance: Random) -> None:
        """Each sector of each unsynced write arrives or not; often none or all do."""
        for offset, data in self.dirty:
            share = chance.choice((0.0, 0.5, 0.9, 1.0))
            if data is None:
                if chance.random() < share:
                    del self.durable[offset:]
                continue
            if len(data) > 64 * SECTOR:  # zeros of a new segment: whole or not, sector by sector would only cost time
                share = float(chance.random() < share)
            at = 0
            while at < len(data):
                step = len(data) if share in (0.0, 1.0) else SECTOR - (offset + at) % SECTOR
                if share and chance.random() < share:
                    self.put(self.durable, offset + at, data[at : at + step])
                at += step
        self.dirty.clear()


class Disk:
    """One directory's files, and what would be left of them."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.entries: dict[str, Inode] = {}
        self.durable_entries: dict[str, Inode] = {}
        self.moves: list[dict[str, Inode | None]] = []  # unsynced changes: name, what it leads to (None: nothing)
        self.locks: dict[str, str] = {}  # path, process
        self.crash_rate = self.error_rate = 0.0  # per call that changes something
        self.before_sync: Callable[[], None] = lambda: None
        self.syncs_are_skipped = self.dir_syncs_are_skipped = self.failed_syncs_are_retried = False  # planted bugs

    def lose_power(self) -> None:
        """What the next start finds."""
        for move in self.moves[: self.chance.randint(0, len(self.moves))]:
            _apply(move, self.durable_entries)
        self.moves.clear()
        self.entries = dict(self.durable_entries)
        for name in sorted(self.entries):
            inode = self.entries[name]
            inode.flush_some(self.chance)
            inode.cached = bytearray(inode.durable)
        self.locks.clear()

    def end_process(self, process: str) -> None:
        self.locks = {path: holder for path, holder in self.locks.items() if holder != process}


def _apply(move: dict[str, Inode | None], entries: dict[str, Inode]) -> None:
    for name, inode in move.items():
        if inode is None:
            entries.pop(name, None)
        else:
            entries[name] = inode


class SimFiles:
    """`Files` of one process on the disk. Only `serve` is given a disk that fails."""

    def __init__(self, disk: Disk, *, faulty: bool) -> None:
        self.disk, self.faulty = disk, faulty
        self._handles: dict[int, Inode] = {}
        self._locked: dict[int, str] = {}

    def _trouble(self, name: str) -> None:
        if not self.faulty:
            return
        if self.disk.chance.random() < self.disk.crash_rate:
            raise Crash(f"at {name}")
        if self.disk.chance.random() < self.disk.error_rate:
            raise OSError(errno.EIO, f"planted: {name}")

    def makedirs(self, directory: Path) -> None:
        """There is but one."""

    def listdir(self, directory: Path) -> list[str]:
        return sorted(self.disk.entries)

    def fsync_dir(self, directory: Path) -> None:
        self._trouble("fsync_dir")
        if self.disk.dir_syncs_are_skipped:
            return
        self.disk.durable_entries = dict(self.disk.entries)
        self.disk.moves.clear()

    def open(self, path: Path, *, create: bool = False, writable: bool = True) -> int:
        if create:
            self._trouble("open")
            if path.name in self.disk.entries:
                raise FileExistsError(path)
            self._move({path.name: Inode()})
        if path.name not in self.disk.entries:
            raise FileNotFoundError(path)
        handle = len(self._handles) + 1
        self._handles[handle] = self.disk.entries[path.name]
        return handle

    def _move(self, move: dict[str, Inode | None]) -> None:
        self.disk.moves.append(move)
        _apply(move, self.disk.entries)

    def close(self, handle: int) -> None:
        self.disk.locks.pop(self._locked.pop(handle, ""), None)

    def size(self, handle: int) -> int:
        return len(self._handles[handle].cached)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        return bytes(self._handles[handle].cached[offset : offset + length])

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        inode = self._handles[handle]
        self._trouble("pwrite")
        inode.put(inode.cached, offset, data)
        inode.dirty.append((offset, bytes(data)))

    def truncate(self, handle: int, length: int) -> None:
        inode = self._handles[handle]
        self._trouble("truncate")
        del inode.cached[length:]
        inode.dirty.append((length, None))

    def fdatasync(self, handle: int) -> None:
        inode = self._handles[handle]
        if self.faulty:
            self.disk.before_sync()
        if self.disk.syncs_are_skipped:
            return
        try:
            self._trouble("fdatasync")
        except OSError:
            inode.flush_some(self.disk.chance)
            if self.disk.failed_syncs_are_retried:
                return
            raise
        inode.flush()
        self._trouble("fdatasync, done")

    def rename(self, source: Path, target: Path) -> None:
        self._trouble("rename")
        self._move({target.name: self.disk.entries[source.name], source.name: None})

    def unlink(self, path: Path) -> None:
        self._trouble("unlink")
        if path.name not in self.disk.entries:
            raise FileNotFoundError(path)
        self._move({path.name: None})

    def free_bytes(self, directory: Path) -> int:
        """It never fills."""
        return 2**40

    def lock(self, path: Path) -> int:
        if path.name in self.disk.locks:
            raise Locked(path, None)
        self.disk.locks[path.name] = PROCESS.get()
        handle = len(self._handles) + 1
        self._handles[handle] = Inode()
        self._locked[handle] = path.name
        return handle

    def locked(self, path: Path) -> bool:
        return path.name in self.disk.locks
