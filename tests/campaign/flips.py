"""One bit of a log flipped: every bit of every header and of the padding, and bits of bodies and of the zeros behind.

Each flip is looked at three ways: opened for writing (as serve does at its start), opened read only, and read by a
follower. What is allowed, and counted:

    detected  refused; segment, byte and command sequence named are those of the record or header that was hit
    cut       the last record of the log alone is missing, cut as a torn tail: nothing written after it vouches for it
    harmless  padding or zeros, which nothing reads: the records are the same, byte for byte
"""

from __future__ import annotations

from functools import lru_cache
from random import Random

from engine.limits import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES
from engine.log.follow import LogReader
from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from tests.campaign.ledger import Outcome
from tests.campaign.logs import DIRECTORY, SEGMENT_BYTES, Place, Written, go_on, written
from tests.campaign.memory_files import MemoryFiles
from tests.campaign.rows import run_row

BODY_BITS = 20_000  # of one log, drawn
ZERO_BITS = 2_000

Flip = tuple[str, int]  # segment, bit


def run(first: int, count: int) -> Outcome:
    return run_row("flips", first, count, flips_of, lambda seed, flip: judge(written(seed), flip))


@lru_cache(maxsize=4)
def flips_of(seed: int) -> list[Flip]:
    """All flips of one log, shuffled, so that any portion has some of each kind."""
    log, chance = written(seed), Random(seed)
    flips: list[Flip] = []
    bodies: list[Flip] = []
    zeros: list[Flip] = []
    for name in log.segments:
        flips += ((name, bit) for bit in range(8 * SEGMENT_HEADER_BYTES))
        places = log.in_segment(name)
        for place in places:
            end = place.at + place.length
            flips += ((name, bit) for bit in range(8 * place.at, 8 * (place.at + RECORD_HEADER_BYTES)))
            flips += ((name, bit) for bit in range(8 * end, 8 * place.end))
            bodies += ((name, bit) for bit in range(8 * (place.at + RECORD_HEADER_BYTES), 8 * end))
        zeros += ((name, bit) for bit in range(8 * places[-1].end, 8 * SEGMENT_BYTES))
    flips += chance.sample(bodies, min(BODY_BITS, len(bodies)))
    flips += chance.sample(zeros, min(ZERO_BITS, len(zeros)))
    chance.shuffle(flips)
    return flips


def judge(log: Written, flip: Flip) -> str:
    """Flip, look, and say which of the allowed outcomes it was. Raises AssertionError for any other."""
    name, bit = flip
    image = log.image.copy()
    image.content(DIRECTORY / name)[bit // 8] ^= 1 << bit % 8
    hit, live = _hit(log, flip)

    _check_follower(log, MemoryFiles(image), hit, live)
    try:
        read = LocalLog.open(MemoryFiles(image), DIRECTORY, writable=False, segment_bytes=SEGMENT_BYTES)
        read_only = [record.raw for record in read.read()]
    except LogCorrupt as corrupt:
        read_only = None
        _check_named(corrupt, log, flip, hit)
    files = MemoryFiles(image)
    try:
        opened = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    except LogCorrupt as corrupt:
        assert read_only is None, "a reader took what a writer refuses"
        assert live, "refused because of bytes that nothing reads"
        _check_named(corrupt, log, flip, hit)
        return "detected"
    found = [record.raw for record in opened.read()]
    assert read_only == found, "a reader found other records than a writer"
    if live:
        assert hit is log.places[-1], "a record went missing that something vouches for"
        assert found == log.raws[:-1], "more than the last record is missing, or other bytes came back"
        assert len(opened.notes) == 1 and f"from byte {hit.at}," in opened.notes[0], "the cut is not told"
    else:
        assert found == log.raws, "padding or zeros mattered"
    go_on(files, opened)
    return "cut" if live else "harmless"


def _hit(log: Written, flip: Flip) -> tuple[Place | None, bool]:
    """The record that was hit (None: a segment header, or zeros), and whether a reader depends on the bit."""
    name, byte = flip[0], flip[1] // 8
    if byte < SEGMENT_HEADER_BYTES:
        return None, True
    for place in log.in_segment(name):
        if place.at <= byte < place.end:
            return place, byte < place.at + place.length
    return None, False


def _check_named(corrupt: LogCorrupt, log: Written, flip: Flip, hit: Place | None) -> None:
    assert corrupt.segment == flip[0], f"{corrupt.segment} was named"
    assert corrupt.offset == (hit.at if hit else 0), f"byte {corrupt.offset} was named"
    if hit:
        assert corrupt.seq == hit.record.first_seq, f"sequence {corrupt.seq} was named"


def _check_follower(log: Written, files: MemoryFiles, hit: Place | None, live: bool) -> None:
    """A follower gets a prefix of the log's records and nothing else; a damaged one that is vouched for stops it."""
    reader = LogReader(files, DIRECTORY)
    found: list[bytes] = []
    try:
        while records := reader.poll():
            found += (record.raw for record in records)
    except LogCorrupt:
        assert found == log.raws[: len(found)], "a follower was given other bytes"
        assert live, "a follower stopped because of bytes that nothing reads"
        return
    durable = log.raws[:-1]  # nothing vouches for the last one
    if hit is not None and hit is log.places[-1]:
        durable = durable[: len(found)]
        assert len(found) >= len(log.raws) - 2
    assert found == durable, "a follower missed records and said nothing"
