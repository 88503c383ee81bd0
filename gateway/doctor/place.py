"""Checks of the directory itself: is it there, may it be used, has it room, who uses it, what was left in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from engine.limits import SEGMENT_BYTES, SEGMENT_SPARE_BYTES
from engine.log.archive import FOLDER as ARCHIVE_FOLDER
from engine.log.archive import TEMPORARY as ARCHIVE_TEMPORARY
from engine.log.events import TEMPORARY as EVENTS_TEMPORARY
from engine.log.snapshot import TEMPORARY as SNAPSHOT_TEMPORARY
from gateway.config_store import FOLDER as CONFIG_FOLDER
from gateway.doctor.finding import Finding, Level
from gateway.doctor.scene import Scene
from gateway.places import PROJECTION_FILE
from gateway.staging import PARTIAL

MIB = 2**20


def there(scene: Scene) -> Iterator[Finding]:
    """Without a log there is nothing else to look at."""
    data, partial = scene.data, scene.data.with_name(scene.data.name + PARTIAL)
    if partial.is_dir():
        yield Finding(
            Level.NOTE,
            "partial",
            f"{partial} is what a `qhatu restore` left that did not come to its end, or is under way.",
            f"Run the restore again: `qhatu restore --from BACKUP --data {data}`.",
        )
    if not data.is_dir():
        what = f"There is no directory {data}." if not os.path.lexists(data) else f"{data} is no directory."
        yield Finding(
            Level.STOP,
            "directory",
            what,
            f"Name the directory of the venue, restore one with `qhatu restore --from BACKUP --data {data}`, or begin "
            f"a new venue with `qhatu serve --config FILE --data {data}`.",
        )
    elif not scene.log_folder.is_dir():
        known = [name for name in ("snapshots", "events", CONFIG_FOLDER, PROJECTION_FILE) if (data / name).exists()]
        if known:
            yield Finding(
                Level.STOP,
                "log_missing",
                f"The log is gone: {scene.log_folder} does not exist, but {', '.join(known)} beside it do. Everything "
                "else is derived from it.",
                f"Restore a backup into another directory: `qhatu restore --from BACKUP --data {data}-restored`.",
            )
        else:
            yield Finding(
                Level.STOP,
                "log_missing",
                f"No venue has run in {data}.",
                f"Begin one with `qhatu serve --config FILE --data {data}`.",
            )


def access(scene: Scene) -> Iterator[Finding]:
    """Files that this user may not read and write; a start under this user would fail at the first."""
    barred = []
    for folder, folders, names in os.walk(scene.data):
        here = Path(folder)
        barred += [here / name for name in folders if not os.access(here / name, os.R_OK | os.W_OK | os.X_OK)]
        barred += [here / name for name in names if not os.access(here / name, os.R_OK | os.W_OK)]
    if not os.access(scene.data, os.R_OK | os.W_OK | os.X_OK):
        barred.insert(0, scene.data)
    if barred:
        more = f" and {len(barred) - 1} more" if len(barred) > 1 else ""
        yield Finding(
            Level.STOP,
            "access",
            f"The user with id {os.geteuid()} may not read and write {barred[0]}{more}.",
            f"Run as the venue's user, or give it the files: `chown -R USER {scene.data}`.",
        )


def space(scene: Scene) -> Iterator[Finding]:
    free, low = scene.files.free_bytes(scene.data), scene.storage_low_bytes
    words = f"{free // MIB:,} MiB are free on the disk of {scene.data}"
    if free >= low:
        yield Finding(Level.FINE, "space", f"{words}; below {low // MIB:,} the venue would refuse new orders.")
        return
    means = "new orders, bids and sales are refused (storage_low), cancels and reads go on"
    if free < SEGMENT_BYTES + SEGMENT_SPARE_BYTES:
        means += "; the next file of the log has no room, and when the present one is full the venue stops"
    yield Finding(
        Level.WARNING,
        "space",
        f"{words}, less than {low // MIB:,}: {means}.",
        f"Make room. What may go: `{scene.data / PROJECTION_FILE}*` while the venue is stopped (it is made anew), and "
        f"`{scene.log_folder / ARCHIVE_FOLDER}` after it was copied elsewhere; never another file of the log.",
    )


def lock(scene: Scene) -> Iterator[Finding]:
    if scene.live:
        yield Finding(
            Level.NOTE,
            "lock",
            f"A venue runs here: process {scene.holder or '(unknown)'} holds the lock. What is said below is of a "
            "moment ago.",
            "Stop it in order before `skip` or `apply-config`" + (f": `kill {scene.holder}`." if scene.holder else "."),
        )


def leftovers(scene: Scene) -> Iterator[Finding]:
    """Temporary files of a process that was killed; the next one of its kind clears them away."""
    if scene.live:
        return  # they are in use
    places = (
        (scene.snapshot_folder, SNAPSHOT_TEMPORARY),
        (scene.log_folder / ARCHIVE_FOLDER, ARCHIVE_TEMPORARY),
        (scene.events_folder, EVENTS_TEMPORARY),
        (scene.data / CONFIG_FOLDER, ".new"),
    )
    left = [path for folder, ending in places if folder.is_dir() for path in sorted(folder.glob(f"*{ending}"))]
    if left:
        yield Finding(
            Level.NOTE,
            "leftovers",
            f"Temporary files of a process that was killed: {', '.join(str(p.relative_to(scene.data)) for p in left)}.",
            "They are harmless; the next start clears them away. To do it now: `rm " + " ".join(map(str, left)) + "`.",
        )
