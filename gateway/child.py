"""What the venue's child processes have in common: priority, parent, signals, sleep, status file, exit codes.

A child follows something and can be killed at any moment. It runs in the idle class, ends when its parent is gone, and
ends in order on SIGTERM after what it finds at once. Its messages go to stderr.
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
from typing import Protocol

EXIT_ENDED = 0
EXIT_TROUBLE = 1
EXIT_ARGUMENTS = 2
EXIT_DIGEST = 3
EXIT_LOG = 4
EXIT_APPLY = 5

NICENESS = 10  # where the system knows no idle class
PACE_SECONDS = 0.01  # between two steps once it has caught up: one step takes what came meanwhile
# And at least this share of what the step took: memory and disk are the venue's too. Orders in hundreds: 1.37 M/s
# beside children that never rest (0.70 of the venue alone), 1.68 M/s (0.87) beside these, which end 40 s later, not 23.
REST_SHARE = 0.5
POLL_SECONDS_MIN = 0.001
POLL_SECONDS_MAX = 0.02  # twice this and twice the pace is what history stays behind when little happens
STATUS_SECONDS = 0.5
PROGRESS_SECONDS = 2.0
ENDING_SECONDS_MAX = 2.0  # after SIGTERM, for what is there but not yet followed


class Work(Protocol):
    """What a child does, a step at a time."""

    @property
    def number(self) -> int:
        """Record it stands at."""
        ...

    @property
    def seq(self) -> int: ...

    @property
    def ts_ns(self) -> int: ...

    def step(self) -> int:
        """Follow what is there, up to some bound. Returns the number of records; 0: nothing more is there now."""
        ...

    def tend(self) -> bool:
        """A few milliseconds of what nobody waits for. False when there is nothing left of it."""
        ...

    def finish(self) -> None:
        """The last call."""
        ...


class Child:
    """`loop` runs a Work until the end is asked for or the parent is gone.

    name         as its messages begin
    status_file  where it says how it stands
    """

    def __init__(self, name: str, status_file: Path, parent_pid: int | None) -> None:
        from gateway.status_file import StatusFile

        self.name, self.parent_pid = name, parent_pid
        self.status = StatusFile(status_file)
        self.asked_to_end = False
        self._status_written = self._progress_told = 0.0

    def handle_signals(self) -> None:
        signal.signal(signal.SIGTERM, self._end)
        # Ctrl-C reaches a whole foreground group: the parent ends in order first, and then this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN if self.parent_pid else self._end)

    def _end(self, signum: int, frame: object) -> None:
        self.asked_to_end = True

    def ends(self) -> bool:
        """Whether nobody wants it any more."""
        return self.asked_to_end or not self._parent_lives()

    def _parent_lives(self) -> bool:
        return not orphaned(self.parent_pid)

    def loop(self, work: Work) -> None:
        """Step and sleep. The first step that finds nothing means that it has caught up."""
        pause, caught_up, started = POLL_SECONDS_MIN, False, time.monotonic()
        deadline: float | None = None
        while True:
            began = time.monotonic()
            found = work.step()
            tending = work.tend()
            now = time.monotonic()
            if self.asked_to_end and deadline is None:
                deadline = now + ENDING_SECONDS_MAX
            if not found and not caught_up:
                caught_up = True
                self.say(f"caught up at command {work.seq:,} in {now - started:.1f} s")
            self._tell(work, caught_up, now)
            if not self._parent_lives() or (deadline is not None and (not found or now > deadline)):
                work.finish()
                self._write_status("ended", work)
                return
            if found:
                pause = POLL_SECONDS_MIN
                if caught_up:
                    time.sleep(max(PACE_SECONDS, REST_SHARE * (now - began)))
            else:
                time.sleep(POLL_SECONDS_MIN if tending else pause)
                pause = min(2 * pause, POLL_SECONDS_MAX)

    # Telling

    def _tell(self, work: Work, caught_up: bool, now: float) -> None:
        if not caught_up and now - self._progress_told >= PROGRESS_SECONDS:
            if self._progress_told:
                self.say(f"catching up: command {work.seq:,}")
            self._progress_told = now
        if now - self._status_written >= STATUS_SECONDS:
            self._status_written = now
            self._write_status("following" if caught_up else "catching_up", work)

    def _write_status(self, state: str, work: Work) -> None:
        from gateway.forms import time_text

        self.status.write(
            state=state,
            pid=os.getpid(),
            number=work.number,
            seq=work.seq,
            as_of=time_text(work.ts_ns),
            why=None,
        )

    def stopped(self, code: int, state: str, error: BaseException, **about: object) -> int:
        """Say why it ends, or waits; returns `code`."""
        why = f"{type(error).__name__}: {error}"
        self.say(f"{'waiting' if state == 'waiting' else 'stopped'}: {why}")
        self.status.write(**(self.status.status | {"state": state, "pid": os.getpid(), "why": why} | about))
        return code

    def say(self, text: str) -> None:
        print(f"qhatu {self.name}: {text}", file=sys.stderr, flush=True)


def command(module: str, data: Path, parent_pid: int, *words: str) -> list[str]:
    """A child's command line."""
    return [sys.executable, "-m", module, *words, "--data", str(data), "--parent-pid", str(parent_pid)]


async def spawn(command: list[str]) -> asyncio.subprocess.Process:
    """Start a child of this process (a fresh interpreter, never a fork). `wait()` gives its exit code, negative for a
    signal; SIGTERM ends it. Its messages go to this process's stderr."""
    return await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )


def arguments(module: str, what: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=what)
    parser.add_argument("--data", type=Path, required=True, help="the venue's data directory")
    parser.add_argument("--parent-pid", type=int, default=None, help="end when this process is gone")
    return parser


def orphaned(parent_pid: int | None) -> bool:
    """Whether the process that started this one is gone. Asked before the imports too: in the idle class they may take
    long, and a venue that was killed and started again would have several children on their way."""
    return parent_pid is not None and os.getppid() != parent_pid


def stand_back() -> None:
    """Run only where nobody else wants to: a slow reader must not delay a trader's answer.

    Niceness alone is not enough: a nice process still keeps its core for a whole slice. On two cores, four runs each by
    turns, the p99 of an acknowledgement at 5,000 orders/s was 12 to 17 ms with it and 6 to 7 ms in the idle class.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
