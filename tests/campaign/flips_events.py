"""One bit of an event segment flipped: all of the headers of segments and frames, bits of frames, compressed segments.

A reader is given a prefix of what was decided: it refuses the damaged segment by name (`detected`), waits for a last
frame that may still be half written (`waited`), or finds every byte the same (`harmless`, compressed segments alone).
A writer that opens on the same damage and is given the log's records again leaves segments without a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np

from engine.limits import SEGMENT_HEADER_BYTES
from engine.log.event_reader import EventReader
from engine.log.event_writer import EventWriter
from engine.log.events import (
    FRAME_HEADER_BYTES,
    PACKED,
    EventsCorrupt,
    EventsDiffer,
    decode_frame,
    list_segments,
    remove_events,
)
from engine.log.record import Record
from engine.machine import Machine
from engine.oracle.books import Books
from tests.campaign.ledger import Outcome
from tests.campaign.logs import market
from tests.campaign.memory_files import Image, MemoryFiles
from tests.campaign.rows import run_row

DIRECTORY = Path("/events")
EVENT_SEGMENT_BYTES = SEGMENT_HEADER_BYTES + 8 * 1024
FRAME_BITS = 10_000

Decided = tuple[Record, np.ndarray, bytes]
Flip = tuple[bool, Path, int]  # of the compressed segments, segment, bit


@dataclass
class Segments:
    plain: Image
    packed: Image
    decided: list[Decided]
    frames: dict[Path, list[tuple[int, int]]]  # of plain segments: where each begins, and its length

    def image(self, packed: bool) -> Image:
        return self.packed if packed else self.plain


def run(first: int, count: int) -> Outcome:
    return run_row("flips_events", first, count, flips_of, judge)


@lru_cache(maxsize=4)
def written(seed: int) -> Segments:
    files, machine, decided = MemoryFiles(), Machine(Books()), []
    for record in market(seed):
        events = machine.apply(record)
        decided.append((record, events, machine.event_digest))
    _write(files, decided)
    plain = files.image.copy()
    writer = _writer(files)
    while writer.tend():
        pass
    writer.close()
    frames: dict[Path, list[tuple[int, int]]] = {}
    for _, path in list_segments(MemoryFiles(plain), DIRECTORY):
        content, at = bytes(plain.content(path)), SEGMENT_HEADER_BYTES
        frames[path] = []
        while at < len(content):
            frames[path].append((at, decode_frame(content, at).length))
            at += frames[path][-1][1]
    assert len(frames) > 2
    return Segments(plain, files.image, decided, frames)


@lru_cache(maxsize=4)
def flips_of(seed: int) -> list[Flip]:
    segments, chance = written(seed), Random(seed)
    flips: list[Flip] = []
    bodies: list[Flip] = []
    for path, frames in segments.frames.items():
        flips += ((False, path, bit) for bit in range(8 * SEGMENT_HEADER_BYTES))
        for at, length in frames:
            flips += ((False, path, bit) for bit in range(8 * at, 8 * (at + FRAME_HEADER_BYTES)))
            bodies += ((False, path, bit) for bit in range(8 * (at + FRAME_HEADER_BYTES), 8 * (at + length)))
    for name in segments.packed.names:
        if name.endswith(PACKED):
            flips += ((True, Path(name), bit) for bit in range(8 * len(segments.packed.content(name))))
    flips += chance.sample(bodies, min(FRAME_BITS, len(bodies)))
    chance.shuffle(flips)
    return flips


def judge(seed: int, flip: Flip) -> str:
    segments = written(seed)
    packed, path, bit = flip
    image = segments.image(packed).copy()
    image.content(path)[bit // 8] ^= 1 << bit % 8
    wanted = _plain(segments.decided)
    found, corrupt = _read(image)
    assert found == wanted[: len(found)], "other events came back"
    _check_rewritten(image.copy(), segments, wanted)
    if corrupt is not None:
        assert corrupt.segment == path.name, f"{corrupt.segment} was named"
        if not packed:
            assert corrupt.offset == _begin(segments, path, bit // 8), f"byte {corrupt.offset} was named"
        return "detected"
    if found == wanted:
        assert packed, "a bit is under no checksum"
        return "harmless"
    last_path, last = max((where, frames[-1][0]) for where, frames in segments.frames.items())
    assert not packed and path == last_path and bit // 8 >= last, "events are missing and nothing was said"
    assert found == wanted[:-1]
    return "waited"


def _begin(segments: Segments, path: Path, byte: int) -> int:
    """Where the header or frame begins that the byte is part of."""
    return max((at for at, _ in segments.frames[path] if at <= byte), default=0)


def _writer(files: MemoryFiles) -> EventWriter:
    return EventWriter(files, DIRECTORY, segment_bytes=EVENT_SEGMENT_BYTES)


def _write(files: MemoryFiles, decided: list[Decided]) -> None:
    writer = _writer(files)
    try:
        for decision in decided:
            writer.append(*decision)
    finally:
        writer.close()


def _check_rewritten(image: Image, segments: Segments, wanted: list[tuple[bytes, bytes, bytes]]) -> None:
    """As a follower does: what a writer finds damaged is removed, and made again from the log."""
    files = MemoryFiles(image)
    try:
        _write(files, segments.decided)
    except (EventsCorrupt, EventsDiffer):
        remove_events(files, DIRECTORY)
        _write(files, segments.decided)
    found, corrupt = _read(files.image)
    assert found == wanted and corrupt is None, "what a writer left is not whole"


def _plain(decided: list[Decided]) -> list[tuple[bytes, bytes, bytes]]:
    return [(record.raw, events.tobytes(), digest) for record, events, digest in decided if record.count]


def _read(image: Image) -> tuple[list[tuple[bytes, bytes, bytes]], EventsCorrupt | None]:
    reader, found = EventReader(MemoryFiles(image), DIRECTORY), []
    try:
        while more := reader.poll():
            found += _plain(more)
    except EventsCorrupt as corrupt:
        return found, corrupt
    finally:
        reader.close()
    return found, None
