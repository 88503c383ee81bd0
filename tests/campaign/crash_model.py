"""What a loss of power may leave of a trace of writes, syncs and changes of names, state by state.

A write is durable once its file was synced, a change of names once its directory was. Of what is pending after any
prefix of the trace:

    data   none, all, all but one write, one write alone, and all with one write torn between two of its sectors,
           its first part there or its last
    names  each prefix of the pending changes, and all but one

Every choice of names is paired with none and all of the data, every choice of data with none and all of the names.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from tests.campaign.memory_files import Image, Op

SECTOR = 512
TORN_PLACES_MAX = 8  # of one write; longer writes are torn at as many places, evenly


class State(NamedTuple):
    prefix: int  # operations of the trace that were begun
    choice: str
    image: Image
    notes: list[str]  # marks set in the prefix


def states(trace: list[Op]) -> Iterator[State]:
    """Distinct states in the order of the trace. Distinct: other bytes or names, or other marks before it."""
    seen: set[bytes] = set()
    durable = Image()
    data: list[Op] = []
    names: list[Op] = []
    notes: list[str] = []
    for prefix, op in enumerate(trace, 1):
        if op.kind == "note":
            notes.append(op.name)
            continue
        if op.kind in ("write", "truncate"):
            data.append(op)
        elif op.kind == "sync":
            for write in data:
                if write.file == op.file:
                    durable.apply(write)
            data = [write for write in data if write.file != op.file]
        elif op.kind == "sync_dir":
            for change in names:
                if _directory(change) == op.name:
                    durable.apply(change)
            names = [change for change in names if _directory(change) != op.name]
        else:
            if op.kind == "create":
                durable.bytes_of[op.file] = bytearray()
            names.append(op)
        for choice, image in _left(durable, data, names):
            digest = _digest(image, len(notes))
            if digest not in seen:
                seen.add(digest)
                yield State(prefix, choice, image, list(notes))


def durable_only(trace: list[Op], before: Image) -> Image:
    """What is left of `before` and a trace on it when nothing pending arrives. After a sync that failed the system
    calls the file clean: what was written before it never arrives, whatever is synced later."""
    image, data, names = before.copy(), [], []
    for op in trace:
        if op.kind == "failed_sync":
            data = [write for write in data if write.file != op.file]
            continue
        if op.kind in ("write", "truncate"):
            data.append(op)
        elif op.kind == "sync":
            for write in data:
                if write.file == op.file:
                    image.apply(write)
            data = [write for write in data if write.file != op.file]
        elif op.kind == "sync_dir":
            for change in names:
                if _directory(change) == op.name:
                    image.apply(change)
            names = [change for change in names if _directory(change) != op.name]
        elif op.kind != "note":
            if op.kind == "create":
                image.bytes_of[op.file] = bytearray()
            names.append(op)
    return image


def _directory(change: Op) -> str:
    return str(Path(change.target or change.name).parent)


def _left(durable: Image, data: list[Op], names: list[Op]) -> Iterator[tuple[str, Image]]:
    none_and_all = [("no data", []), ("all data", data)] if data else [("no data", [])]
    for told, kept in _choices_of_names(names):
        for told_data, writes in none_and_all:
            yield f"{told}, {told_data}", _image(durable, writes, kept)
    for told, writes in _choices_of_data(data):
        yield f"all names, {told}", _image(durable, writes, names)
        if names:
            yield f"no names, {told}", _image(durable, writes, [])


def _choices_of_names(names: list[Op]) -> Iterator[tuple[str, list[Op]]]:
    for count in range(len(names) + 1):
        yield f"{count} of {len(names)} names", names[:count]
    for left_out in range(len(names) - 1):
        yield f"names but {left_out}", names[:left_out] + names[left_out + 1 :]


def _choices_of_data(data: list[Op]) -> Iterator[tuple[str, list[Op]]]:
    for at, write in enumerate(data):
        rest_before, rest_after = data[:at], data[at + 1 :]
        if len(data) > 1:
            yield f"write {at} missing", rest_before + rest_after
            yield f"write {at} alone", [write]
        for edge in _edges(write):
            head = write._replace(data=write.data[: edge - write.offset])
            tail = write._replace(data=write.data[edge - write.offset :], offset=edge)
            yield f"write {at} up to byte {edge}", [*rest_before, head, *rest_after]
            yield f"write {at} from byte {edge}", [*rest_before, tail, *rest_after]


def _edges(write: Op) -> list[int]:
    """Sector edges within a write."""
    edges = list(range(write.offset - write.offset % SECTOR + SECTOR, write.offset + len(write.data), SECTOR))
    return edges[:: -(-len(edges) // TORN_PLACES_MAX)] if edges else []


def _image(durable: Image, writes: list[Op], names: list[Op]) -> Image:
    image = durable.copy()
    for op in (*writes, *names):
        image.apply(op)
    return image


def _digest(image: Image, notes: int) -> bytes:
    digest = blake2b(notes.to_bytes(8, "little"), digest_size=16)
    for name, file in sorted(image.names.items()):
        digest.update(name.encode() + b"\0" + len(image.bytes_of[file]).to_bytes(8, "little") + image.bytes_of[file])
    return digest.digest()
