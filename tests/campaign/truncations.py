"""A log cut off at every byte of its last three records, the file ending there or zeros standing from there on.

The tail is cut exactly at the last whole record; where a later segment vouches for what is missing, the log is refused
by name. Each log of a seed is cut with its end in the midst of a segment and just after a rotation.
"""

from __future__ import annotations

from functools import lru_cache

from engine.log.interface import LogCorrupt
from engine.log.local import LocalLog
from tests.campaign.ledger import Outcome
from tests.campaign.logs import DIRECTORY, SEGMENT_BYTES, Written, go_on, shortened, written
from tests.campaign.memory_files import MemoryFiles
from tests.campaign.rows import run_row

RECORDS = 3

Cut = tuple[int, int, bool]  # records of the log, byte counted from the first of the last three, zeroed or ended


def run(first: int, count: int) -> Outcome:
    return run_row("truncations", first, count, cuts_of, lambda seed, cut: judge(shortened(seed, cut[0]), cut))


@lru_cache(maxsize=4)
def cuts_of(seed: int) -> list[Cut]:
    """Every cut of one log: as it is, and as it was when its last segment held one record, then two."""
    log = written(seed)
    before = len(log.raws) - len(log.in_segment(log.segments[-1]))
    cuts = []
    for records in sorted({before + 1, before + 2, len(log.raws)}):
        places = log.places[:records][-RECORDS:]
        length = sum(place.end - place.at for place in places)
        cuts += [(records, byte, zeroed) for byte in range(length) for zeroed in (False, True)]
    return cuts


def judge(log: Written, cut: Cut) -> str:
    """Cut, open, and say which of the allowed outcomes it was. Raises AssertionError for any other."""
    _, byte, zeroed = cut
    places = log.places[-RECORDS:]
    hit = 0
    while byte >= places[hit].end - places[hit].at:
        byte -= places[hit].end - places[hit].at
        hit += 1
    place, at = places[hit], places[hit].at + byte
    image = log.image.copy()
    content = image.content(DIRECTORY / place.name)
    content[at:] = bytes(len(content) - at) if zeroed else b""
    whole = content[place.at :].startswith(place.record.raw)  # only padding is gone, or zeros that are zeros

    files = MemoryFiles(image)
    try:
        opened = LocalLog.open(files, DIRECTORY, segment_bytes=SEGMENT_BYTES)
    except LogCorrupt as corrupt:
        assert place.name != log.places[-1].name, "refused where only the end of the log is missing"
        assert not (whole and place is log.in_segment(place.name)[-1]), "refused although every record is whole"
        lost = log.places[len(log.places) - len(places) + hit + whole]
        assert (corrupt.segment, corrupt.offset, corrupt.seq) == (place.name, lost.at, lost.record.first_seq), corrupt
        return "refused"
    found = [record.raw for record in opened.read()]
    kept = log.raws if place.name != log.places[-1].name else log.raws[: len(log.raws) - len(places) + hit + whole]
    assert found == kept, f"{len(found)} records are left, not {len(kept)}"
    go_on(files, opened)
    return "cut" if len(kept) < len(log.raws) else "harmless"
