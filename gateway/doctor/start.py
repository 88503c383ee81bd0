"""Checks of what the next start needs: snapshots, generation, configuration; and the start itself, tried."""

from __future__ import annotations

from collections.abc import Iterator

from engine.codes import GENERATION
from engine.log.interface import LogCorrupt
from engine.log.replay import DigestDiffers
from engine.log.snapshot import BadSnapshot, snapshot_name
from gateway.config_store import kept_path
from gateway.doctor.finding import Finding, Level
from gateway.doctor.log import RESTORE
from gateway.doctor.scene import Scene
from gateway.replaying import NoWayBack, WrongGeneration


def snapshots(scene: Scene) -> Iterator[Finding]:
    for number, found in scene.snapshots.items():
        path = scene.snapshot_folder / snapshot_name(number)
        if isinstance(found, BadSnapshot | OSError):
            yield Finding(
                Level.WARNING,
                "snapshot_damaged",
                f"A snapshot is damaged: {found}. A start takes the one before it and replays more of the log.",
                f"Nothing must be done; to be rid of it: `rm {path}`.",
            )
        elif number >= scene.end.next_number and not scene.live:
            yield Finding(
                Level.STOP,
                "snapshot_beyond_log",
                f"Snapshot {path.name} is of record {number:,}, but the log ends at record "
                f"{scene.end.next_number - 1:,}: records that were durable are gone from the log.",
                f"Keep the directory as it is and restore a backup: `{RESTORE.format(scene.data)}`. If this log itself "
                f"came from elsewhere and is the one you want: `rm {path}`.",
            )
        elif found.shard != 0:
            yield Finding(
                Level.STOP,
                "snapshot_shard",
                f"Snapshot {path.name} belongs to shard {found.shard}, not 0: it is another venue's.",
                f"Take it away: `rm {path}`.",
            )
        elif found.generation != GENERATION:
            yield Finding(
                Level.NOTE,
                "snapshot_generation",
                f"Snapshot {path.name} was made under generation {found.generation} of the rules.",
                "Keep it: the log before it is read with it."
                if found.generation < GENERATION
                else "Use a newer release.",
            )


def generation(scene: Scene) -> Iterator[Finding]:
    last = scene.last
    if last is None or last.generation == GENERATION:
        return
    if last.generation > GENERATION:
        yield Finding(
            Level.STOP,
            "generation_newer",
            f"The log was written under generation {last.generation} of the rules; this release knows {GENERATION}.",
            "Start the release that wrote it, or a newer one.",
        )
    elif _ends_in_a_snapshot(scene, last.generation):
        yield Finding(
            Level.NOTE,
            "generation_older",
            f"The log ends in generation {last.generation} of the rules, with a snapshot of its end: the first start "
            f"of this release begins generation {GENERATION} there.",
            "Have a backup made by the older release; it alone restores what is before.",
        )
    else:
        yield Finding(
            Level.STOP,
            "generation_older",
            f"The log ends in generation {last.generation} of the rules, this release begins {GENERATION}, and there "
            "is no snapshot of its end to begin from.",
            "With the release that wrote it: start and stop the venue in order, then "
            f"`qhatu snapshot --data {scene.data}`.",
        )


def _ends_in_a_snapshot(scene: Scene, generation: int) -> bool:
    """What an upgrade begins with: no command follows it."""
    return any(
        not isinstance(found, Exception)
        and found.generation == generation
        and found.tail.next_seq == scene.end.next_seq
        for found in scene.snapshots.values()
    )


def start(scene: Scene) -> Iterator[Finding]:
    """The state is rebuilt as a start does it."""
    found = scene.start
    if found.rebuilt is not None:
        machine = found.rebuilt.machine
        origin = f"the snapshot of record {found.rebuilt.snapshot:,}" if found.rebuilt.snapshot else "an empty state"
        yield Finding(
            Level.FINE,
            "start",
            f"A start is possible: from {origin} over {found.rebuilt.records:,} records in "
            f"{found.rebuilt.seconds:.1f} s to command {machine.seq:,}, state {machine.state_hash().hex()}.",
        )
    elif isinstance(found.error, WrongGeneration):
        return  # told by `generation`
    elif isinstance(found.error, NoWayBack):
        yield Finding(
            Level.STOP,
            "no_way_back",
            f"A start is not possible: {found.error}.",
            f"Copy snapshots/ or log/archive/ from a backup, or restore it: `{RESTORE.format(scene.data)}`.",
        )
    elif isinstance(found.error, DigestDiffers):
        yield Finding(
            Level.STOP,
            "digest_differs",
            f"This release comes to other events than the venue that wrote the log: {found.error}.",
            f"Start with the release that wrote it; `qhatu verify --data {scene.data}` names the first command that "
            "kernel and oracle decide differently, if they do.",
        )
    elif found.in_hand is not None:
        yield from _poison(scene, *found.in_hand)
    elif not (isinstance(found.error, LogCorrupt) and _told(scene)):
        why = f"{type(found.error).__name__}: {found.error}"
        yield Finding(
            Level.STOP,
            "start",
            f"A start is not possible: {why}.",
            f"Restore a backup: `{RESTORE.format(scene.data)}`.",
        )


def _told(scene: Scene) -> bool:
    """Whether damage of the log is named already."""
    beyond = any(number >= scene.end.next_number for number in scene.snapshots)
    return beyond or any(segment.trouble for segment in scene.segments) or scene.segments[-1].packed


def _poison(scene: Scene, first: int, last: int) -> Iterator[Finding]:
    error = scene.start.error
    which = f"command {first}" if first == last else f"one of the commands {first} to {last}"
    yield Finding(
        Level.STOP,
        "apply_failed",
        f"The engine stops at {which} ({type(error).__name__}: {error}): a bug. The command is in the log, and every "
        "start meets it again.",
        f"Start a release in which it is mended, or pass over the command for good: `qhatu skip --data {scene.data} "
        f'--seq {first} --why "TEXT"`. It then counts as never given; tell whoever sent it.',
    )


def configuration(scene: Scene) -> Iterator[Finding]:
    rebuilt = scene.start.rebuilt
    if rebuilt is None:
        return
    digest = rebuilt.machine.venue.config_digest
    if not digest:
        yield Finding(
            Level.NOTE,
            "configuration",
            "The venue has no configuration yet: its first start was cut off.",
            f"Start it with the one that you mean: `qhatu serve --config FILE --data {scene.data}`.",
        )
    elif scene.config is None:
        path = kept_path(scene.data, digest)
        yield Finding(
            Level.STOP,
            "configuration_missing",
            f"The configuration that the log runs on is missing or was altered: {path}.",
            f"Copy it from a backup (`config/{path.name}`), or start once with the file that it was read from: "
            f"`qhatu serve --config FILE --data {scene.data}`.",
        )
