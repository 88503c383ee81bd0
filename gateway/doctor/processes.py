"""Checks of what the processes said last: DATA/NAME.status, and what each state means."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gateway.doctor.finding import Finding, Level
from gateway.doctor.scene import Scene
from gateway.places import SERVE_STATUS_FILE, STATUS_FILE, sink_status_file
from gateway.status_file import read_status

SINK_STATUS_FILE = sink_status_file("sqlite")
NAMES = {SERVE_STATUS_FILE: "The venue", STATUS_FILE: "The follower", SINK_STATUS_FILE: "The SQLite sink"}

# state -> level, what it means, what can be done
STATES: dict[str, tuple[Level, str, str]] = {
    "starting": (Level.NOTE, "was starting", ""),
    "not_started": (Level.WARNING, "could not start", "See below whether the cause is still there."),
    "serving": (Level.FINE, "takes orders", ""),
    "storage_low": (
        Level.WARNING,
        "refuses new orders because the disk is nearly full",
        "Make room on the disk; it goes on by itself.",
    ),
    "stopped": (Level.FINE, "was stopped in order", ""),
    "storage_failed": (
        Level.WARNING,
        "stopped because the disk failed; everything acknowledged is in the log, what was in flight was answered as "
        "unknown",
        "Make room or look at the disk (`df`, `dmesg`), then start it again.",
    ),
    "apply_failed": (
        Level.WARNING,
        "stopped because the engine failed on a command",
        "See whether a start is possible, below.",
    ),
    "digest_differs": (
        Level.WARNING,
        "stopped because two processes came to different events from the same commands",
        "Keep the directory. `qhatu verify --data {data}` names the command; do not trade on until it is understood.",
    ),
    "log_corrupt": (
        Level.WARNING,
        "found the log damaged",
        "See what is said of the log, below; to start again does not help.",
    ),
    "fenced": (
        Level.WARNING,
        "stopped because another process writes the same tables",
        "End the other one; `ps` names it.",
    ),
    "waiting": (Level.WARNING, "waits for trouble to end, and tries again", "See why; trading does not wait for it."),
    "failed": (Level.WARNING, "stopped with trouble of its own", "It is started again with the venue; see why."),
    "catching_up": (Level.NOTE, "was catching up", ""),
    "following": (Level.FINE, "follows", ""),
    "ended": (Level.FINE, "ended in order", ""),
}
RUNNING = {"starting", "serving", "storage_low", "catching_up", "following", "waiting"}


def statuses(scene: Scene) -> Iterator[Finding]:
    for file, who in NAMES.items():
        status = read_status(scene.data / file)
        if status is None:
            if (scene.data / file).exists():
                yield Finding(Level.NOTE, "status", f"{file} cannot be read; its process writes it anew.")
            continue
        state, why = str(status.get("state")), status.get("why")
        level, means, do = STATES.get(state, (Level.NOTE, f"says {state!r}", ""))
        because = f": {why}" if why else ""
        when = status.get("at") or status.get("as_of")
        moment = f" ({file}, {when})" if when else f" ({file})"
        if state in RUNNING and not _lives(status.get("pid")):
            yield Finding(
                Level.NOTE,
                "killed",
                f"{who} was killed, or the machine went down: it last said {state!r}{moment} and does not run.",
                "" if scene.live else f"Start the venue again: `qhatu serve --data {scene.data}`.",
            )
        else:
            yield Finding(level, state, f"{who} {means}{because}{moment}.", do.format(data=scene.data))


def _lives(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
