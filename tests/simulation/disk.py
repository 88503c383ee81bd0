"""A disk that keeps what was synced, and of the rest what chance leaves.

Writes go to a cache. A sync makes a file's writes durable; a sync of a directory makes its names durable. Power loss
keeps each unsynced sector or not, and of each directory a prefix of its unsynced changes of names. A sync that fails
marks everything clean although only part of it arrived, as Linux does: asking again would say yes. A disk that is full
takes part of a write that makes a file longer, and then says so. A bit may rot: it is then another one in what is
durable and in what is read.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from engine.log.files import Locked
from tests.simulation.loop import PROCESS, Crash

SECTOR = 512
PLENTY_BYTES = 10**12
Move = dict[str, "Inode | None"]  # a change of names at once: what each leads to, None: nothing


class Content:
    """Bytes of a file, and which of them have rotted."""

    def __init__(self, data: bytes = b"", rotten: dict[int, int] | None = None) -> None:
        self.data = bytearray(data)
        self.rotten = dict(rotten or {})  # offset, bits that are not as they were written

    def put(self, offset: int, data: bytes) -> None:
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        end = offset + len(data)
        self.data[offset:end] = data
        if self.rotten:
            self.rotten = {at: bits for at, bits in self.rotten.items() if not offset <= at < end}

    def cut(self, length: int) -> None:
        if length < len(self.data):
            del self.data[length:]
            self.rotten = {at: bits for at, bits in self.rotten.items() if at < length}
        else:
            self.data.extend(bytes(length - len(self.data)))

    def copy(self) -> Content:
        return Content(self.data, self.rotten)

    def rot(self, at: int, bits: int) -> None:
        if at < len(self.data):
            self.data[at] ^= bits
            self.rotten[at] = self.rotten.get(at, 0) ^ bits

    def heal(self) -> None:
        for at, bits in self.rotten.items():
            self.data[at] ^= bits
        self.rotten = {}


class Inode:
    def __init__(self) -> None:
        self.cached = Content()
        self.durable = Content()
        self.dirty: list[tuple[int, bytes | None]] = []  # offset and bytes written; None: cut to that length

    def write(self, offset: int, data: bytes) -> None:
        self.cached.put(offset, data)
        self.dirty.append((offset, bytes(data)))

    def cut(self, length: int) -> None:
        self.cached.cut(length)
        self.dirty.append((length, None))

    def flush(self) -> None:
        for offset, data in self.dirty:
            if data is None:
                self.durable.cut(offset)
            else:
                self.durable.put(offset, data)
        self.dirty.clear()

    def flush_some(self, chance: Random) -> None:
        """Each sector of each unsynced write arrives or not; often none or all do."""
        for offset, data in self.dirty:
            share = chance.choice((0.0, 0.5, 0.9, 1.0))
            if data is None:
                if chance.random() < share:
                    self.durable.cut(offset)
                continue
            if len(data) > 64 * SECTOR:  # zeros of a new segment: whole or not, sector by sector would only cost time
                share = float(chance.random() < share)
            at = 0
            while at < len(data):
                step = len(data) if share in (0.0, 1.0) else SECTOR - (offset + at) % SECTOR
                if share and chance.random() < share:
                    self.durable.put(offset + at, data[at : at + step])
                at += step
        self.dirty.clear()


@dataclass
class Folder:
    """Names of one directory, as they are seen and as they are durable."""

    entries: dict[str, Inode] = field(default_factory=dict)
    durable: dict[str, Inode] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)  # unsynced

    def move(self, move: Move) -> None:
        self.moves.append(move)
        _apply(move, self.entries)

    def sync(self) -> None:
        self.durable = dict(self.entries)
        self.moves.clear()

    def lose_power(self, chance: Random) -> None:
        for move in self.moves[: chance.randint(0, len(self.moves))]:
            _apply(move, self.durable)
        self.moves.clear()
        self.entries = dict(self.durable)


@dataclass
class Faults:
    """What happens to one process at its calls; each rate is per call."""

    crash_rate: float = 0.0  # of calls that change something
    error_rate: float = 0.0

    def clear(self) -> None:
        self.crash_rate = self.error_rate = 0.0


class Disk:
    """Directories by path, and what would be left of them."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.folders: dict[str, Folder] = {}
        self.locks: dict[str, str] = {}  # path, process
        self.capacity = PLENTY_BYTES
        self.full_hits = 0  # calls that were told that the disk is full
        self.syncs_are_skipped = self.dir_syncs_are_skipped = self.failed_syncs_are_retried = False  # planted bugs
        self.full_is_not_told = False  # one more

    def files(self) -> Iterator[tuple[str, str, Inode]]:
        """(directory, name, file) of all that is seen, in a fixed order."""
        for path in sorted(self.folders):
            entries = self.folders[path].entries
            for name in sorted(entries):
                yield path, name, entries[name]

    def used(self) -> int:
        return sum(len(inode.cached.data) for _, _, inode in self.files())

    def lose_power(self) -> None:
        """What the next start finds."""
        for path in sorted(self.folders):
            self.folders[path].lose_power(self.chance)
        for _, _, inode in self.files():
            inode.flush_some(self.chance)
            inode.cached = inode.durable.copy()
        self.locks.clear()

    def end_process(self, process: str) -> None:
        self.locks = {path: holder for path, holder in self.locks.items() if holder != process}

    def rot(self, inode: Inode, at: int, bits: int) -> None:
        """Bits of one byte turn, on the medium and so in whatever reads it next."""
        inode.flush()
        inode.cached.rot(at, bits)
        inode.durable.rot(at, bits)

    def rotten(self) -> list[str]:
        """Paths of files that hold a rotten bit."""
        return [f"{path}/{name}" for path, name, inode in self.files() if inode.cached.rotten]

    def heal(self) -> None:
        """Every rotten bit that was not overwritten is again what it was: a copy kept elsewhere was put in place."""
        for _, _, inode in self.files():
            inode.cached.heal()
            inode.durable.heal()


def _apply(move: Move, entries: dict[str, Inode]) -> None:
    for name, inode in move.items():
        if inode is None:
            entries.pop(name, None)
        else:
            entries[name] = inode


class SimFiles:
    """`Files` of one process on the disk."""

    def __init__(self, disk: Disk, faults: Faults | None = None) -> None:
        self.disk, self.faults = disk, faults
        self.before_sync: Callable[[], None] = lambda: None
        self._handles: dict[int, Inode] = {}
        self._locked: dict[int, str] = {}
        self._given = 0

    def _trouble(self, name: str, *, changes: bool = True) -> None:
        if self.faults is None:
            return
        chance = self.disk.chance
        if changes and self.faults.crash_rate and chance.random() < self.faults.crash_rate:
            raise Crash(f"at {name}")
        if self.faults.error_rate and chance.random() < self.faults.error_rate:
            raise OSError(errno.EIO, f"planted: {name}")

    def _folder(self, directory: Path) -> Folder:
        folder = self.disk.folders.get(str(directory))
        if folder is None:
            raise FileNotFoundError(directory)
        return folder

    def _found(self, path: Path) -> Inode:
        inode = self._folder(path.parent).entries.get(path.name)
        if inode is None:
            raise FileNotFoundError(path)
        return inode

    def _give(self, inode: Inode) -> int:
        self._given += 1
        self._handles[self._given] = inode
        return self._given

    # Directories

    def makedirs(self, directory: Path) -> None:
        if str(directory) not in self.disk.folders:
            self._trouble("makedirs")
            self.disk.folders[str(directory)] = Folder()

    def listdir(self, directory: Path) -> list[str]:
        self._trouble("listdir", changes=False)
        folder = self.disk.folders.get(str(directory))
        return sorted(folder.entries) if folder else []

    def fsync_dir(self, directory: Path) -> None:
        self._trouble("fsync_dir")
        if not self.disk.dir_syncs_are_skipped:
            self._folder(directory).sync()

    def free_bytes(self, directory: Path) -> int:
        self._trouble("free_bytes", changes=False)
        return max(0, self.disk.capacity - self.disk.used()) if self.disk.capacity < PLENTY_BYTES else PLENTY_BYTES

    # Files

    def open(self, path: Path, *, create: bool = False, writable: bool = True) -> int:
        self._trouble("open", changes=create)
        if create:
            folder = self._folder(path.parent)
            if path.name in folder.entries:
                raise FileExistsError(path)
            folder.move({path.name: Inode()})
        return self._give(self._found(path))

    def close(self, handle: int) -> None:
        self.disk.locks.pop(self._locked.pop(handle, ""), None)
        self._handles.pop(handle)

    def size(self, handle: int) -> int:
        return len(self._handles[handle].cached.data)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        inode = self._handles[handle]
        self._trouble("pread", changes=False)
        return bytes(inode.cached.data[offset : offset + length])

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        inode = self._handles[handle]
        self._trouble("pwrite")
        longer = offset + len(data) - len(inode.cached.data)
        if longer > 0 and self.disk.capacity < PLENTY_BYTES:
            missing = self.disk.used() + longer - self.disk.capacity
            if missing > 0:
                self.disk.full_hits += 1
                inode.write(offset, data[: max(0, len(data) - missing)])
                if self.disk.full_is_not_told:
                    return
                raise OSError(errno.ENOSPC, "the disk is full")
        inode.write(offset, data)

    def truncate(self, handle: int, length: int) -> None:
        inode = self._handles[handle]
        self._trouble("truncate")
        inode.cut(length)

    def fdatasync(self, handle: int) -> None:
        inode = self._handles[handle]
        self.before_sync()
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
        """Whatever had the target's name is gone at the same moment."""
        assert source.parent == target.parent, "names move within their directory"
        self._trouble("rename")
        self._folder(source.parent).move({target.name: self._found(source), source.name: None})

    def unlink(self, path: Path) -> None:
        self._trouble("unlink")
        self._found(path)
        self._folder(path.parent).move({path.name: None})

    # Locks

    def lock(self, path: Path) -> int:
        self._trouble("lock", changes=False)
        if str(path) in self.disk.locks:
            raise Locked(path, None)
        self.disk.locks[str(path)] = PROCESS.get()
        handle = self._give(Inode())
        self._locked[handle] = str(path)
        return handle

    def locked(self, path: Path) -> bool:
        return str(path) in self.disk.locks
