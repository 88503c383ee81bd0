"""One bit of an archived segment flipped: the log that reads on through it refuses it by name, or finds the same bytes.

What a start needs stands in no archived segment: opening the log is never disturbed.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random

from engine.log.archive import FOLDER, archive_before, list_archived
from engine.log.follow import LogReader
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from tests.campaign.ledger import Outcome
from tests.campaign.logs import DIRECTORY, SEGMENT_BYTES, Written, written
from tests.campaign.memory_files import MemoryFiles
from tests.campaign.rows import run_row

Flip = tuple[Path, int]  # archived segment, bit


def run(first: int, count: int) -> Outcome:
    return run_row("flips_archive", first, count, flips_of, judge)


@lru_cache(maxsize=4)
def archived(seed: int) -> Written:
    """The log of a seed, all but its last segment archived."""
    log = written(seed)
    image = log.image.copy()
    archive_before(MemoryFiles(image), DIRECTORY, len(log.records))
    assert len(list_archived(MemoryFiles(image), DIRECTORY)) == len(log.segments) - 1
    return Written(image, log.places)


@lru_cache(maxsize=4)
def flips_of(seed: int) -> list[Flip]:
    """Every bit, shuffled."""
    image = archived(seed).image
    names = [name for name in image.names if Path(name).parent.name == FOLDER]
    flips = [(Path(name), bit) for name in names for bit in range(8 * len(image.content(name)))]
    Random(seed).shuffle(flips)
    return flips


def judge(seed: int, flip: Flip) -> str:
    log = archived(seed)
    path, bit = flip
    image = log.image.copy()
    image.content(path)[bit // 8] ^= 1 << bit % 8
    opened = LocalLog.open(MemoryFiles(image), DIRECTORY, segment_bytes=SEGMENT_BYTES)
    found: list[bytes] = []
    told: list[str] = []
    try:
        found += (record.raw for record in opened.read())
    except LogCorrupt as corrupt:
        told.append(corrupt.segment)
    assert found == log.raws[: len(found)], "other bytes came back"

    followed: list[bytes] = []
    reader = LogReader(MemoryFiles(image), DIRECTORY)
    try:
        while records := reader.poll():
            followed += (record.raw for record in records)
    except LogCorrupt as corrupt:
        told.append(corrupt.segment)
    assert followed == log.raws[: len(followed)], "a follower was given other bytes"
    if not told:
        assert found == log.raws and followed == log.raws[:-1], "records are missing and nothing was said"
        return "harmless"
    assert told == [f"{FOLDER}/{path.name}"] * 2, f"{told} was named"
    return "detected"
