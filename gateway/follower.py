"""The second process: it follows the log, checks the venue's events against its own, and keeps the SQLite file.

    python -m gateway.follower --data DIR [--parent-pid N]

It starts from zero each time, replays the log through an engine of its own and writes what the file does not hold yet.
A file that does not belong to the log is thrown away and made anew. Exit codes, and what a parent does about them:

    0  asked to end (SIGTERM), or the parent is gone
    1  trouble of its own (disk, SQLite, a second writer): start it again, waiting longer each time; trading goes on
    2  wrong arguments
    3  its events differ from the venue's: stop the venue; stderr and DIR/follow.status name the command sequence
    4  the log is damaged: starting again does not help; look at the log before the next restart
    5  an exception came out of the engine: as the venue's own code 5

DIR/follow.status is a JSON object, replaced as a whole: `state` (catching_up, following, ended, or what stopped it),
`pid`, `number` and `seq` of the record and command applied last, `as_of` (its time), `why`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.following import Following

EXIT_ENDED = 0
EXIT_TROUBLE = 1
EXIT_ARGUMENTS = 2
EXIT_DIGEST = 3
EXIT_LOG = 4
EXIT_APPLY = 5

NICENESS = 10  # where the system knows no idle class
PACE_SECONDS = 0.01  # between two steps once it has caught up: a transaction takes what came meanwhile
POLL_SECONDS_MIN = 0.001
POLL_SECONDS_MAX = 0.05
STATUS_SECONDS = 0.5
PROGRESS_SECONDS = 2.0
ENDING_SECONDS_MAX = 2.0  # after SIGTERM, for what is durable but not yet followed


def command(data: Path, parent_pid: int) -> list[str]:
    """The follower's command line."""
    return [sys.executable, "-m", "gateway.follower", "--data", str(data), "--parent-pid", str(parent_pid)]


async def spawn(data: Path) -> asyncio.subprocess.Process:
    """Start a follower as a child of this process (a fresh interpreter, never a fork). `wait()` gives its exit code,
    negative for a signal; SIGTERM ends it. Its messages go to this process's stderr."""
    return await asyncio.create_subprocess_exec(
        *command(Path(data).resolve(), os.getpid()), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.follower", description="Follow a venue's log into SQLite.")
    parser.add_argument("--data", type=Path, required=True, help="the venue's data directory")
    parser.add_argument("--parent-pid", type=int, default=None, help="end when this process is gone")
    arguments = parser.parse_args(argv)

    from gateway.cli import use_kernel_cache

    use_kernel_cache()
    _stand_back()
    return Process(arguments.data, arguments.parent_pid).run()


def _stand_back() -> None:
    """Run only where nobody else wants to: a slow reader must not delay a trader's answer.

    Niceness alone is not enough: a nice process still keeps its core for a whole slice. On two cores, four runs each by
    turns, the p99 of an acknowledgement at 5,000 orders/s was 12 to 17 ms with it and 6 to 7 ms in the idle class.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return
    with contextlib.suppress(OSError):
        os.nice(NICENESS)


class Process:
    """The loop around `Following`: parent, signals, sleep, status."""

    def __init__(self, data: Path, parent_pid: int | None) -> None:
        self.data, self.parent_pid = data, parent_pid
        self.asked_to_end = False
        self._status_written = self._progress_told = 0.0
        self._status: dict[str, object] | None = None

    def run(self) -> int:
        """Follow until asked to end; every failure becomes a line on stderr, a status and an exit code."""
        from engine.log.interface import LogCorrupt
        from engine.log.replay import DigestDiffers
        from gateway.following import ApplyFailed
        from gateway.projections.sqlite import OtherLog, StaleWriter, remove_store
        from gateway.replaying import PROJECTION_FILE

        signal.signal(signal.SIGTERM, self._end)
        # Ctrl-C reaches a whole foreground group: the parent ends in order first, and then this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN if self.parent_pid else self._end)
        while True:
            try:
                self._follow()
                return self._stopped(EXIT_ENDED, "ended", None)
            except OtherLog as error:
                self._say(f"{error}; making it anew from the log")
                remove_store(self.data / PROJECTION_FILE)
            except DigestDiffers as error:
                return self._stopped(EXIT_DIGEST, "digest_differs", error, seq=error.applied_seq)
            except LogCorrupt as error:
                return self._stopped(EXIT_LOG, "log_corrupt", error)
            except StaleWriter as error:
                return self._stopped(EXIT_TROUBLE, "fenced", error)
            except ApplyFailed as error:
                return self._stopped(EXIT_APPLY, "apply_failed", error)
            except Exception as error:
                return self._stopped(EXIT_TROUBLE, "failed", error)

    def _follow(self) -> None:
        from engine.log.files import RealFiles
        from engine.log.follow import LogReader
        from engine.log.local import LocalLog
        from engine.machine import Machine
        from gateway.following import Following
        from gateway.projections.sqlite import OtherLog, SqliteSink
        from gateway.replaying import LOG_FOLDER, PROJECTION_FILE, compiled_books

        files, folder = RealFiles(), self.data / LOG_FOLDER
        log = LocalLog.open(files, folder, writable=False)  # SKIPs of the whole log, before anything is applied
        reader = LogReader(files, folder)
        sink = SqliteSink(self.data / PROJECTION_FILE)
        try:
            if sink.cursor.number >= log.tail.next_number:
                raise OtherLog(f"{sink.path} is at record {sink.cursor.number}, the log ends before it")
            self._loop(Following(reader, Machine(compiled_books(), log.skips), sink))
        finally:
            reader.close()
            sink.close()

    def _loop(self, following: Following) -> None:
        """Step and sleep. The first empty poll means that it has caught up."""
        pause, caught_up, started = POLL_SECONDS_MIN, False, time.monotonic()
        deadline: float | None = None
        while True:
            found = following.step()
            now = time.monotonic()
            if self.asked_to_end and deadline is None:
                deadline = now + ENDING_SECONDS_MAX
            if not found and not caught_up:
                caught_up = True
                self._say(f"caught up at command {following.machine.seq:,} in {now - started:.1f} s")
            self._tell(following, caught_up, now)
            if not self._parent_lives() or (deadline is not None and (not found or now > deadline)):
                following.sink.flush()
                self._write_status("ended", following)
                return
            if found:
                pause = POLL_SECONDS_MIN
                if caught_up:
                    time.sleep(PACE_SECONDS)
            else:
                time.sleep(pause)
                pause = min(2 * pause, POLL_SECONDS_MAX)

    def _parent_lives(self) -> bool:
        return self.parent_pid is None or os.getppid() == self.parent_pid

    def _end(self, signum: int, frame: object) -> None:
        self.asked_to_end = True

    # Telling

    def _tell(self, following: Following, caught_up: bool, now: float) -> None:
        if not caught_up and now - self._progress_told >= PROGRESS_SECONDS:
            if self._progress_told:
                self._say(f"catching up: command {following.machine.seq:,}")
            self._progress_told = now
        if now - self._status_written >= STATUS_SECONDS:
            self._status_written = now
            self._write_status("following" if caught_up else "catching_up", following)

    def _write_status(self, state: str, following: Following) -> None:
        from gateway.forms import time_text

        status = {
            "state": state,
            "pid": os.getpid(),
            "number": following.number,
            "seq": following.machine.seq,
            "as_of": time_text(following.ts_ns),
            "why": None,
        }
        if status != self._status:
            self._replace_status(status)

    def _replace_status(self, status: dict[str, object]) -> None:
        from gateway.replaying import STATUS_FILE
        from gateway.status_file import StatusFile

        self._status = status
        StatusFile(self.data / STATUS_FILE).write(**status)

    def _stopped(self, code: int, state: str, error: BaseException | None, **about: object) -> int:
        if error is not None:
            why = f"{type(error).__name__}: {error}"
            self._say(f"stopped: {why}")
            self._replace_status((self._status or {"pid": os.getpid()}) | {"state": state, "why": why} | about)
        return code

    def _say(self, text: str) -> None:
        print(f"qhatu follower: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
