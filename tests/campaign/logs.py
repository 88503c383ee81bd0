"""Small real logs to be damaged: a market's records, decided by the machine, over several segments in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np

from engine.codes import Phase, Side
from engine.limits import SEGMENT_HEADER_BYTES
from engine.log.local import LocalLog
from engine.log.record import Record, padded
from engine.log.segments import SUFFIX, segment_name
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch
from engine.messages.refs import text_ref
from engine.messages.rows import COMMAND
from engine.oracle import books as oracle
from tests.campaign.memory_files import Image, MemoryFiles
from tests.recorder import Recorder, open_venue, order_row

DIRECTORY = Path("/log")
SEGMENT_BYTES = SEGMENT_HEADER_BYTES + 4096
RECORDS = 32


@dataclass(frozen=True)
class Place:
    """Where a record stands."""

    name: str  # of the segment
    at: int
    length: int  # without padding
    record: Record

    @property
    def end(self) -> int:
        return self.at + padded(self.length)


@dataclass
class Written:
    """A log that was written and closed."""

    image: Image
    places: list[Place]

    @property
    def records(self) -> list[Record]:
        return [place.record for place in self.places]

    @property
    def raws(self) -> list[bytes]:
        return [place.record.raw for place in self.places]

    @property
    def segments(self) -> list[str]:
        return sorted({place.name for place in self.places})

    def in_segment(self, name: str) -> list[Place]:
        return [place for place in self.places if place.name == name]


@lru_cache(maxsize=4)
def written(seed: int) -> Written:
    """The log of a seed: the same bytes each time."""
    return _write(market(seed))


@lru_cache(maxsize=4)
def shortened(seed: int, records: int) -> Written:
    """The same log as it was after so many records."""
    return _write(written(seed).records[:records])


def _write(records: list[Record]) -> Written:
    files = MemoryFiles()
    log = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    log.claim()
    for record in records:
        log.write(record)
    log.close()
    return Written(files.image, _places(files.image, records))


def market(seed: int) -> list[Record]:
    """RECORDS records: an opening, orders one and several at a time, long client ids, calls, empty records."""
    chance = Random(seed)
    recorder = Recorder(Machine(oracle.Books()))
    open_venue(recorder, accounts=3, instruments=1)
    recorder.do(bodies.SetPhase(1, Phase.CALL))
    while len(recorder.records) < RECORDS:
        kind = chance.random()
        if kind < 0.1:
            recorder.empty()
        elif kind < 0.2:
            recorder.do(bodies.Uncross(1, Phase.CALL))
        else:
            recorder.do(*(_order(chance) for _ in range(chance.choice((1, 1, 1, 2, 5, 12)))), after_s=0.01)
    return recorder.records


def _order(chance: Random) -> Batch:
    side = chance.choice(list(Side))
    text = f"{chance.getrandbits(64):x}"[: chance.choice((8, 16))]
    ref = text_ref(text)
    batch = order_row(chance.randint(1, 3), side, chance.randint(6_600, 6_800), chance.randint(1, 50), ref=ref)
    if len(text) <= 15:
        return batch
    batch.rows["body_length"] = len(text)
    return Batch(batch.rows, blob=text.encode())


def _places(image: Image, records: list[Record]) -> list[Place]:
    places, name, at = [], "", 0
    for record in records:
        if str(DIRECTORY / segment_name(record.number)) in image.names:
            name, at = segment_name(record.number), SEGMENT_HEADER_BYTES
        places.append(Place(name, at, len(record.raw), record))
        content = image.content(DIRECTORY / name)
        assert name.endswith(SUFFIX) and content[at : at + len(record.raw)] == record.raw
        at = places[-1].end
    return places


def go_on(files: MemoryFiles, log: LocalLog) -> None:
    """Write one more record to a recovered log and find it again. Raises AssertionError."""
    from tests.engine.log.builders import Chain

    before = [record.raw for record in log.read()]
    record = Chain(log.claim()).record(Batch(np.zeros(0, COMMAND)))
    log.write(record)
    log.close()
    again = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    assert [found.raw for found in again.read()] == [*before, record.raw] and not again.notes, "the log does not go on"
    again.close()
