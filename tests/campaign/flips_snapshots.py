"""One bit of a snapshot flipped: all of the header and of the directory, and bits of the sections.

Every byte is under a checksum: a flip is refused by name, or (`harmless`) the snapshot is the same in all that it says.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np

from engine.log.interface import Tail
from engine.log.snapshot import HEADER, HEADER_BYTES, BadSnapshot, Snapshot, read_snapshot, write_snapshot
from engine.machine import Machine
from engine.oracle.books import Books
from tests.campaign.ledger import Outcome
from tests.campaign.logs import market
from tests.campaign.memory_files import Image, MemoryFiles
from tests.campaign.rows import run_row
from tests.engine.book_flows import assert_same_sections

DIRECTORY = Path("/snapshots")
SECTION_BITS = 20_000


def run(first: int, count: int) -> Outcome:
    return run_row("flips_snapshots", first, count, bits_of, judge)


@lru_cache(maxsize=4)
def written(seed: int) -> tuple[Image, Path, Snapshot]:
    """The snapshot of a seed's market."""
    files, machine, tail = MemoryFiles(), Machine(Books()), Tail()
    for record in market(seed):
        machine.apply(record)
        tail = tail.after(record)
    path = write_snapshot(files, DIRECTORY, machine.snapshot(tail, {"test": b"fold"}))
    return files.image, path, read_snapshot(files, path)


@lru_cache(maxsize=4)
def bits_of(seed: int) -> list[int]:
    image, path, _ = written(seed)
    content, chance = image.content(path), Random(seed)
    sections = HEADER_BYTES + int(np.frombuffer(bytes(content[:HEADER_BYTES]), HEADER)[0]["directory_bytes"])
    bits = list(range(8 * len(content)))
    chosen = bits[: 8 * sections] + chance.sample(bits[8 * sections :], min(SECTION_BITS, len(bits) - 8 * sections))
    chance.shuffle(chosen)
    return chosen


def judge(seed: int, bit: int) -> str:
    original, path, wanted = written(seed)
    image = original.copy()
    image.content(path)[bit // 8] ^= 1 << bit % 8
    try:
        found = read_snapshot(MemoryFiles(image), path)
    except BadSnapshot as bad:
        assert bad.name == path.name, f"{bad.name} was named"
        return "detected"
    assert_same_sections(found.sections, wanted.sections)
    for name in ("shard", "generation", "tail", "ts_ns", "event_digest", "state_hash", "made_by"):
        assert getattr(found, name) == getattr(wanted, name), name
    return "harmless"
