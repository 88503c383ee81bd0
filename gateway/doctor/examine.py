"""The checks in their order, and what they come to."""

from __future__ import annotations

from pathlib import Path

from gateway.doctor import derived, log, place, processes, secrets, start
from gateway.doctor.finding import Check, Finding, Level
from gateway.doctor.scene import Scene

CHECKS: tuple[Check, ...] = (
    place.access,
    place.lock,
    processes.statuses,
    place.space,
    log.records,
    log.gaps,
    log.end,
    start.snapshots,
    start.generation,
    start.start,
    start.configuration,
    secrets.keys,
    derived.events,
    derived.tables,
    place.leftovers,
)
BAD = (Level.STOP, Level.LOST)


def examine(data: Path) -> list[Finding]:
    """All findings about a data directory. A check that cannot look says so and the others go on."""
    scene = Scene(data)
    found = list(place.there(scene))
    if any(finding.level is Level.STOP for finding in found):
        return found
    for check in CHECKS:
        try:
            found += check(scene)
        except OSError as error:
            found.append(
                Finding(
                    Level.STOP,
                    "unreadable",
                    f"{check.__name__} cannot be looked at: {error}.",
                    "Mend that, and ask again.",
                )
            )
    return found


def is_well(findings: list[Finding]) -> bool:
    """The venue can start, and nothing is lost."""
    return not any(finding.level in BAD for finding in findings)
