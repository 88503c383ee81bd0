"""Generations of the rules, and the migration of a state from one to the next.

A release that changes what a log means ends a generation and opens the next. Records of an older one are verified by
the release that wrote them and never applied by this one; only the state at their end is brought over, and the first
record after it (GENERATION) names it by its hash before and after.

    1  the first
    2  each account has a share of the streams and text ids that are remembered. An account that had more keeps what it
       has and gets no more until it is below; nothing is forgotten early

`MIGRATIONS` holds one step for each older generation. A step takes a whole snapshot and gives one of the next: it
checks that the sections are the state that the snapshot's hash says, under the rules it was made by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.codes import GENERATION
from engine.log.snapshot import BadSnapshot, Snapshot, section_group, snapshot_name
from engine.state.canonical import hash_of
from engine.state.sections import FORMS, canonical_parts

COLD_SECTIONS_1 = (
    "config", "accounts", "keys", "revoked_keys", "instruments", "calendars", "schedule_keys", "timers", "sales",
    "remembered",
)  # fmt: skip


class OtherGeneration(Exception):
    """What is here was made under other rules than this release's."""

    def __init__(self, what: str, generation: int) -> None:
        whose = "the release that wrote it" if generation < GENERATION else "a newer release"
        super().__init__(f"{what} is of generation {generation}, this release applies {GENERATION}: it takes {whose}")
        self.generation = generation


def migrated(snapshot: Snapshot) -> Snapshot:
    """The snapshot of an older generation as one of this. Raises BadSnapshot when it is not what its hash says;
    OtherGeneration for one that no step leads from."""
    before = snapshot.generation, snapshot.state_hash
    while snapshot.generation != GENERATION:
        step = MIGRATIONS.get(snapshot.generation)
        if step is None:
            raise OtherGeneration(f"snapshot {snapshot_name(snapshot.number)}", snapshot.generation)
        snapshot = step(snapshot)
    return replace(snapshot, migrated=before)


def _from_1(snapshot: Snapshot) -> Snapshot:
    """Sections stay as they are: how much each account holds is counted when they are loaded."""
    if _hash_1(1, snapshot) != snapshot.state_hash:
        raise BadSnapshot(snapshot_name(snapshot.number), "its state has another hash under the rules of generation 1")
    return replace(snapshot, generation=2, state_hash=_hash_1(2, snapshot))


def _hash_1(generation: int, snapshot: Snapshot) -> bytes:
    """State hash of sections that have the form of generation 1 (2 has the same)."""

    def parts() -> Iterator[tuple[str, bytes]]:
        yield from canonical_parts(section_group(snapshot.sections, "hot/", FORMS))
        cold = section_group(snapshot.sections, "cold/")
        for name in COLD_SECTIONS_1:
            yield name, cold[name]

    try:
        return hash_of(generation, snapshot.seq, snapshot.ts_ns, parts())
    except (KeyError, ValueError) as error:
        raise BadSnapshot(snapshot_name(snapshot.number), f"its sections are no state: {error}") from error


MIGRATIONS: dict[int, Callable[[Snapshot], Snapshot]] = {1: _from_1}
assert set(MIGRATIONS) == set(range(1, GENERATION)), "every older generation has a way on"
