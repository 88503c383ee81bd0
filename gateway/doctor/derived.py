"""Checks of what is made from the log and may be made anew: events and SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from gateway.doctor.finding import Finding, Level
from gateway.doctor.scene import Scene
from gateway.places import PROJECTION_FILE


def events(scene: Scene) -> Iterator[Finding]:
    found = scene.events
    if not found.segments:
        if scene.snapshots:
            yield Finding(
                Level.NOTE,
                "events",
                "There are no event segments: the follower writes them anew from the log, as far back as this "
                "generation of the rules reaches; those of an older one can only come from a backup.",
            )
        return
    if found.trouble is not None:
        yield Finding(
            Level.WARNING,
            "events_damaged",
            f"Events are damaged: {found.trouble}. The log is not; sinks wait at that place.",
            "Stop the venue, and let the follower write them anew from the log: "
            f"`mv {scene.events_folder} {scene.events_folder}.damaged`.",
        )
        return
    if found.end.number >= scene.end.next_number and not scene.live:
        yield Finding(
            Level.WARNING,
            "events_beyond_log",
            f"The events go up to record {found.end.number:,}, the log to {scene.end.next_number - 1:,}: they were "
            "made from another log.",
            f"Let the follower make them anew: `mv {scene.events_folder} {scene.events_folder}.other`.",
        )
        return
    newest = max(scene.snapshots, default=0)
    if found.end.number < newest and _commands_between(scene, found.end.seq, newest):
        yield Finding(
            Level.NOTE,
            "events_behind_snapshot",
            f"The events end at record {found.end.number:,}, before the snapshot of record {newest:,}: the follower "
            "begins with an older snapshot and catches up.",
        )
    yield Finding(
        Level.FINE,
        "events",
        f"The events go up to record {found.end.number:,}, command {found.end.seq:,}, in {found.segments} files, each "
        "read and its digests checked.",
    )


def _commands_between(scene: Scene, seq: int, number: int) -> bool:
    snapshot = scene.snapshots[number]
    return not isinstance(snapshot, Exception) and snapshot.seq > seq


def tables(scene: Scene) -> Iterator[Finding]:
    path = scene.data / PROJECTION_FILE
    if not path.is_file():
        yield Finding(
            Level.NOTE, "sqlite", f"There is no {PROJECTION_FILE}: it is made from the log at the next start."
        )
        return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            sound = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            number, seq = db.execute("SELECT number, seq FROM cursor").fetchone() or (0, 0)
    except sqlite3.Error as error:
        sound, number, seq = str(error), 0, 0
    if sound != "ok":
        yield Finding(
            Level.WARNING,
            "sqlite_damaged",
            f"{PROJECTION_FILE} cannot be read: {sound}. It is derived; trading does not need it, history does.",
            f"Let it be made anew, with the venue stopped: `rm {path}*`.",
        )
    elif seq >= scene.end.next_seq and not scene.live:
        yield Finding(
            Level.WARNING,
            "sqlite_beyond_log",
            f"{PROJECTION_FILE} holds command {seq:,}, the log ends at {scene.end.next_seq - 1:,}: it was made from "
            "another log, or the log from an older backup.",
            f"It is made anew at the next start; to do it now: `rm {path}*`.",
        )
    else:
        behind = scene.end.next_seq - 1 - seq
        words = "it holds everything" if behind <= 0 else f"{behind:,} commands behind the log; it catches up"
        yield Finding(Level.FINE, "sqlite", f"{PROJECTION_FILE} is at record {number:,}, command {seq:,}: {words}.")
