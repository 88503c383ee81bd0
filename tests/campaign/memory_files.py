"""Files in memory, with a trace of everything that changed them: `Files` for millions of openings.

Faults are not played here: a test flips the bytes of an image, or builds the states that a crash may leave from the
trace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from engine.log.files import Locked


class Op(NamedTuple):
    """One change, in order. Names are whole paths; `file` tells files apart whatever they are called."""

    kind: str  # write, truncate, sync, failed_sync, create, rename, unlink, sync_dir, note
    file: int = 0
    name: str = ""
    target: str = ""
    offset: int = 0
    data: bytes = b""


@dataclass
class Image:
    """What a disk holds: names, and the bytes of each file."""

    names: dict[str, int] = field(default_factory=dict)
    bytes_of: dict[int, bytearray] = field(default_factory=dict)

    def copy(self) -> Image:
        return Image(dict(self.names), {file: bytearray(content) for file, content in self.bytes_of.items()})

    def content(self, path: Path | str) -> bytearray:
        return self.bytes_of[self.names[str(path)]]

    def apply(self, op: Op) -> None:
        if op.kind == "write":
            content = self.bytes_of[op.file]
            if len(content) < op.offset:
                content.extend(bytes(op.offset - len(content)))
            content[op.offset : op.offset + len(op.data)] = op.data
        elif op.kind == "truncate":
            content = self.bytes_of[op.file]
            content[op.offset :] = bytes(max(0, op.offset - len(content)))
        elif op.kind == "create":
            self.names[op.name] = op.file
            self.bytes_of.setdefault(op.file, bytearray())
        elif op.kind == "rename":
            self.names[op.target] = op.file
            if self.names.get(op.name) == op.file:
                del self.names[op.name]
        elif op.kind == "unlink" and self.names.get(op.name) == op.file:
            del self.names[op.name]


class MemoryFiles:
    """See `engine.log.files.Files`. One process at a time."""

    def __init__(self, image: Image | None = None) -> None:
        self.image = image or Image()
        self.trace: list[Op] = []
        self._handles: dict[int, int] = {}
        self._locks: dict[int, str] = {}
        self._next = max(self.image.bytes_of, default=0) + 1
        self._next_handle = 1

    def note(self, text: str) -> None:
        """Set a mark in the trace."""
        self.trace.append(Op("note", name=text))

    def _do(self, op: Op) -> None:
        self.trace.append(op)
        self.image.apply(op)

    def _handle(self, file: int) -> int:
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._handles[handle] = file
        return handle

    def makedirs(self, directory: Path) -> None:
        """Directories are where files are."""

    def listdir(self, directory: Path) -> list[str]:
        prefix = f"{directory}/"
        return sorted({name[len(prefix) :].split("/")[0] for name in self.image.names if name.startswith(prefix)})

    def fsync_dir(self, directory: Path) -> None:
        self._do(Op("sync_dir", name=str(directory)))

    def open(self, path: Path, *, create: bool = False, writable: bool = True) -> int:
        name = str(path)
        if create:
            if name in self.image.names:
                raise FileExistsError(path)
            self._next += 1
            self._do(Op("create", self._next, name))
        if name not in self.image.names:
            raise FileNotFoundError(path)
        return self._handle(self.image.names[name])

    def close(self, handle: int) -> None:
        del self._handles[handle]
        self._locks.pop(handle, None)

    def size(self, handle: int) -> int:
        return len(self.image.bytes_of[self._handles[handle]])

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        return bytes(self.image.bytes_of[self._handles[handle]][offset : offset + length])

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        self._do(Op("write", self._handles[handle], offset=offset, data=bytes(data)))

    def truncate(self, handle: int, size: int) -> None:
        self._do(Op("truncate", self._handles[handle], offset=size))

    def fdatasync(self, handle: int) -> None:
        self._do(Op("sync", self._handles[handle]))

    def rename(self, source: Path, target: Path) -> None:
        if str(source) not in self.image.names:
            raise FileNotFoundError(source)
        self._do(Op("rename", self.image.names[str(source)], str(source), str(target)))

    def unlink(self, path: Path) -> None:
        if str(path) not in self.image.names:
            raise FileNotFoundError(path)
        self._do(Op("unlink", self.image.names[str(path)], str(path)))

    def free_bytes(self, directory: Path) -> int:
        return 2**40

    def lock(self, path: Path) -> int:
        if str(path) in self._locks.values():
            raise Locked(path, None)
        handle = self._handle(0)
        self._locks[handle] = str(path)
        return handle

    def locked(self, path: Path) -> bool:
        return str(path) in self._locks.values()
