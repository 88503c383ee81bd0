"""kill -9 of real processes under load: the venue, one of its children, or all at once, again and again.

Each portion has a data directory of its own, which grows over its kills; each start has no arguments but where the
data is. In between the log is read as the killed process left it. At the end, after an orderly stop, everything is held
against every answer (`history`). A directory that fails is kept in var/campaign.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

from gateway.commands.snapshot import snapshot_taken
from gateway.places import PROJECTION_FILE
from gateway.replaying import rebuild
from tests.campaign.history import check
from tests.campaign.ledger import Outcome
from tests.campaign.load import Load
from tests.campaign.served import Served, send

DELAY_SECONDS = (0.003, 0.2)  # from taking orders to the kill
AFTER_ANSWER = 0.7  # of the delays begin at the first answer, the others when the URL is told
ANSWER_SECONDS_MAX = 5.0
CHILD_SECONDS_MAX = 10.0  # until a child is there to be killed
LOOK_EVERY = 4  # deaths of the venue between two looks at the log as they left it
CAUGHT_UP_SECONDS_MAX = 120.0
KEPT = Path("var/campaign")
STDERR = "stderr.txt"

Blow = Callable[["Life"], Awaitable[None]]


class Life:
    """A data directory, its clients, and the venue that serves it now."""

    def __init__(self, data: Path, seed: int) -> None:
        self.data, self.chance, self.load = data, Random(seed), Load(seed)
        self.outcome = Outcome()
        self.hashes: dict[int, bytes] = {}  # state by record number, as it was left
        self.served: Served | None = None
        self.deaths = 0  # of the venue
        self._answers = 0  # when the venue started
        self._until = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def start(self, environment: dict[str, str] | None = None) -> Served:
        """A venue that takes orders, under load."""
        self.served = await asyncio.to_thread(Served, self.data, self.data / STDERR, environment)
        seconds = self.served.start_seconds
        self.outcome.add(starts=1, start_seconds=seconds, start_seconds_max=seconds)
        self._answers = self.load.answers
        self._until = asyncio.Event()
        self._running = asyncio.create_task(self.load.run(self.served.url, self._until))
        return self.served

    async def wait(self) -> None:
        """A random moment, after the first answer more often than not. Raises what a client raises."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX * (self.chance.random() < AFTER_ANSWER)
        while self.load.answers == self._answers and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
        await asyncio.sleep(self.chance.uniform(*DELAY_SECONDS))
        assert self._running is not None
        if self._running.done():
            self._running.result()

    async def child(self) -> int | None:
        """Some child of the venue, once there is one."""
        assert self.served is not None
        deadline = time.monotonic() + CHILD_SECONDS_MAX
        while not (children := self.served.children()):
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.02)
        return self.chance.choice(children)

    async def kill(self, *, children: bool = False) -> None:
        """The venue, and with `children` everything that is of it."""
        assert self.served is not None and self._running is not None
        doomed = self.served.children() if children else []
        assert self.served.process.poll() is None, f"the venue ended by itself: {self.served.process.returncode}"
        await asyncio.to_thread(self.served.kill)
        for pid in doomed:
            send(pid, signal.SIGKILL)
        await self._died()

    async def ended(self, seconds: float) -> int:
        """Wait for the venue's own end; its exit code."""
        assert self.served is not None
        code = await asyncio.to_thread(self.served.process.wait, seconds)
        self.served.kill()
        await self._died()
        return code

    async def _died(self) -> None:
        assert self._running is not None
        self._until.set()
        await self._running
        self.served = None
        self.deaths += 1
        if not self.deaths % LOOK_EVERY:
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        """Replay what a killed venue left: the same records must come to the same state ever after. Every other time a
        snapshot of it is kept, so that later starts and looks go on from there."""
        if self.deaths % (2 * LOOK_EVERY):
            found = rebuild(self.data)
            self.hashes[found.log.tail.next_number - 1] = found.machine.state_hash()
        else:
            taken = snapshot_taken(self.data)
            self.hashes[taken["number"]] = bytes.fromhex(taken["state_hash"])
            self.outcome.add(snapshots=1)

    async def finish(self) -> None:
        """The last start: every id gets its answer, SQLite catches up, the venue ends in order; then the check."""
        self.served = await asyncio.to_thread(Served, self.data, self.data / STDERR)
        await self.load.run(self.served.url, asyncio.Event(), only_open=True)
        assert self.load.settled(), "requests without an answer are left"
        await self._sqlite_caught_up()
        code = await asyncio.to_thread(self.served.end)
        self.served = None
        assert code == 0, f"an orderly stop gave exit code {code}"
        self.outcome.add(**check(self.data, self.load, self.hashes))

    async def _sqlite_caught_up(self) -> None:
        """Until the file stands at the last command that a client heard of."""
        last = self.load.last_seq()
        deadline = time.monotonic() + CAUGHT_UP_SECONDS_MAX
        while _cursor(self.data / PROJECTION_FILE) < last:
            assert time.monotonic() < deadline, "SQLite does not catch up"
            await asyncio.sleep(0.05)

    def abandon(self) -> None:
        """Leave no process behind."""
        if self.served is not None:
            for pid in self.served.children():
                send(pid, signal.SIGKILL)
            self.served.kill()


def _cursor(path: Path) -> int:
    import sqlite3

    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return db.execute("SELECT seq FROM cursor").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error:
        return 0


def run(first: int, count: int) -> Outcome:
    """Kills `first` to `first + count`, in one directory."""
    return in_a_directory("kills", first, count, strike)


async def strike(life: Life) -> None:
    """One kill. The venue is up before and after it."""
    kind = life.chance.choices(("serve", "child", "all"), (60, 20, 20))[0]
    if life.served is None:
        await life.start()
    pid = await life.child() if kind != "serve" else None
    await life.wait()
    name = "child" if pid is None else Served.name_of(pid)
    if kind == "child" and pid is not None and send(pid, signal.SIGKILL):
        life.outcome.add(**{f"of_{name}": 1})
        return
    await life.kill(children=kind == "all")
    life.outcome.add(**{"of_all" if kind == "all" else "of_serve": 1})


def in_a_directory(part: str, first: int, count: int, blow: Blow) -> Outcome:
    """`count` blows to one data directory, and the check at the end."""
    data = Path(tempfile.mkdtemp(prefix=f"qhatu-{part}-"))
    life = Life(data, first)
    try:
        asyncio.run(blows(life, count, blow))
    except Exception as error:
        kept = KEPT / f"{part}-{first}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        life.abandon()
        shutil.move(data, kept)
        life.outcome.failures.append(
            f"--part {part} --first {first} --count {count}: {type(error).__name__} {error} (kept in {kept})"
        )
    finally:
        life.abandon()
        shutil.rmtree(data, ignore_errors=True)
    return life.outcome


async def blows(life: Life, count: int, blow: Blow) -> None:
    """All of them, and the check at the end."""
    for _ in range(count):
        await blow(life)
    if life.served is not None:
        await life.kill()
    await life.finish()
