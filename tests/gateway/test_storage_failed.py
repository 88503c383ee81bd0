"""A disk that fails under a sequencer: each call of the log's, one after another, while commands are in flight."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from engine.log.files import RealFiles
from engine.log.interface import LogFailed
from engine.log.local import LocalLog
from gateway.env import EXIT_LOG
from gateway.sequencer import Fatal, Sequencer, Stopped
from tests.faulty_files import FaultyFiles
from tests.gateway.virtual_env import WRITE_SECONDS, VirtualEnv
from tests.simulation.loop import SimLoop
from tests.tiny_machine import TinyMachine, orders

SEGMENT = 64 * 1024
ORDERS = 60  # in a submission, one record of 4 KiB: 15 of them fill a segment
SUBMISSIONS = 34
CHANGES = {"pwrite", "rename", "unlink", "fdatasync", "fsync_dir", "makedirs"}


class Run:
    """One life of a log under a steady stream of submissions, in virtual time."""

    def __init__(self, directory: Path, *fault: object) -> None:
        self.directory = directory
        self.loop = SimLoop(Random(3))
        self.env = VirtualEnv(self.loop)
        self.files = FaultyFiles(RealFiles())
        self.log = LocalLog.open(self.files, directory, segment_bytes=SEGMENT)
        self.machine = TinyMachine()
        self.sequencer = Sequencer(
            self.env, self.log, self.machine, lambda record, events: None, on_failed=self.on_failed
        )
        self.opened = Counter(self.files.calls)
        self.answers: dict[int, list[str]] = {}
        self.after_the_fault: list[str] = []  # calls that change the disk
        self.applied_after_the_fault = self.failures_told = 0
        self.untouched: dict[str, bytes] = {}
        self.files.on_call = self.on_call
        if fault:
            self.files.fail(*fault)
        self.error = self.loop.run_until_complete(self.main())

    def on_call(self, name: str) -> None:
        if self.files.failed:
            if not self.untouched:
                self.untouched = self.content()
            if name in CHANGES:
                self.after_the_fault.append(name)

    def on_failed(self) -> None:
        self.failures_told += all(self.answers.values())  # every submission is answered before

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.directory.iterdir() if path.name != "lock"}

    async def main(self) -> BaseException | None:
        running = asyncio.ensure_future(self.sequencer.run())
        for number in range(SUBMISSIONS):
            if not self.submit(number):
                break
            await asyncio.sleep(WRITE_SECONDS * (1.3 if number % 3 else 0.4))
        await asyncio.sleep(0.05)
        if not running.done():
            await self.sequencer.stop()
        await asyncio.wait([running])
        return running.exception()

    def submit(self, number: int) -> bool:
        def reply(outcome) -> None:
            self.answers[number].append(outcome.status)
            self.applied_after_the_fault += outcome.status == "applied" and self.files.failed

        self.answers[number] = []
        try:
            self.sequencer.submit(orders(*[number] * ORDERS), reply)
        except Stopped:
            del self.answers[number]
            return False
        return True


def test_a_sound_disk_answers_everything(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.error is None and run.env.exits == [] and run.failures_told == 0
    assert run.answers == {number: ["applied"] for number in range(SUBMISSIONS)}
    assert len(list(tmp_path.glob("*.seg"))) == 3


def sites(tmp_path: Path) -> list[tuple[str, int]]:
    """Every call that a sound run makes after opening: (name, how many of its kind came before)."""
    run = Run(tmp_path)
    made = Counter(run.files.calls) - run.opened
    return [(name, at) for name in sorted(made) for at in range(made[name])]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_after_any_error_nothing_is_acknowledged_and_what_is_in_flight_is_unknown(tmp_path: Path, number: int) -> None:
    table = sites(tmp_path / "sound")
    assert {name for name, _ in table} == {"pwrite", "fdatasync", "open", "rename", "fsync_dir", "close", "listdir"}
    in_flight = 0
    for name, at in table:
        where = f"{name} {at}"
        directory = tmp_path / f"{name}{at}"
        run = Run(directory, name, at, number)
        assert run.files.failed == 1, where
        assert isinstance(run.error, Fatal) and run.error.code == EXIT_LOG, where
        ((code, why),) = run.env.exits
        assert code == EXIT_LOG and why.startswith("storage_failed: ") and f"planted: {name}" in why, where
        assert run.applied_after_the_fault == 0 and run.failures_told == 1, where
        assert all(len(told) == 1 for told in run.answers.values()), f"{where}: each is answered once"
        unknown = sum(told == ["unknown"] for told in run.answers.values())
        in_flight += unknown
        with pytest.raises(Stopped):
            run.sequencer.submit(orders(1), lambda outcome: None)
        with pytest.raises(LogFailed):
            run.log.make_room()
        assert run.after_the_fault == [], f"{where}: the evidence stays as it is"
        if run.untouched:
            assert run.content() == run.untouched, where
        run.log.close()
        found = LocalLog.open(RealFiles(), directory, segment_bytes=SEGMENT)
        durable = {qty for record in found.read() if record.count > 1 for qty in record.batch.rows["qty"].tolist()}
        found.close()
        acknowledged = {submission for submission, told in run.answers.items() if told == ["applied"]}
        assert acknowledged <= durable and len(durable) <= len(acknowledged) + 3, where
    assert in_flight > len(table) / 2, "commands were in flight when it failed"


@pytest.mark.parametrize("name", ["listdir", "open", "pwrite", "fdatasync", "close"])
def test_an_idle_venue_ends_when_the_next_segment_cannot_be_prepared(tmp_path: Path, name: str) -> None:
    """Nobody sends anything after the command that made the segment half full."""
    loop = SimLoop(Random(3))
    env, files = VirtualEnv(loop), FaultyFiles(RealFiles())
    log = LocalLog.open(files, tmp_path, segment_bytes=SEGMENT)
    make_room = log.make_room

    def failing() -> None:
        files.fail(name)
        make_room()

    log.make_room = failing  # type: ignore[method-assign]
    sequencer = Sequencer(env, log, TinyMachine(), lambda record, events: None)
    told: list[str] = []

    async def main() -> None:
        running = asyncio.ensure_future(sequencer.run())
        await asyncio.sleep(0.02)
        sequencer.submit(orders(*range(600)), lambda outcome: told.append(outcome.status))
        await asyncio.wait([running], timeout=0.02)
        assert running.done() and isinstance(running.exception(), Fatal)

    loop.run_until_complete(main())
    assert env.exits and env.exits[0][0] == EXIT_LOG and "next segment" in env.exits[0][1]
    assert len(told) == 1


def test_a_write_that_never_returns_holds_back_no_answer(tmp_path: Path) -> None:
    """The next segment cannot be prepared while a write hangs in the disk."""
    loop = SimLoop(Random(3))
    env, files = VirtualEnv(loop), FaultyFiles(RealFiles())
    log = LocalLog.open(files, tmp_path, segment_bytes=SEGMENT)
    sequencer = Sequencer(env, log, TinyMachine(), lambda record, events: None)
    told: list[str] = []
    run_blocking = env.run_blocking

    async def main() -> None:
        running = asyncio.ensure_future(sequencer.run())
        await asyncio.sleep(0.02)
        files.fail("open")
        sequencer.submit(orders(*range(600)), lambda outcome: told.append(outcome.status))
        await asyncio.sleep(WRITE_SECONDS * 1.1)  # durable, and the preparing has begun
        env.run_blocking = lambda *call: loop.create_future()  # type: ignore[method-assign]
        sequencer.submit(orders(1), lambda outcome: told.append(outcome.status))
        await asyncio.sleep(0.01)
        assert told == ["applied", "unknown"] and not running.done()
        running.cancel()

    env.run_background = run_blocking
    loop.run_until_complete(main())
    assert [code for code, _ in env.exits] == [EXIT_LOG]


def test_while_there_is_no_room_a_segment_is_not_prepared_ahead(tmp_path: Path) -> None:
    loop = SimLoop(Random(3))
    env, files = VirtualEnv(loop), FaultyFiles(RealFiles())
    log = LocalLog.open(files, tmp_path, segment_bytes=SEGMENT)
    room = [False]
    sequencer = Sequencer(env, log, TinyMachine(), lambda record, events: None, has_room=lambda: room[0])

    async def main() -> None:
        running = asyncio.ensure_future(sequencer.run())
        for _ in range(12):
            sequencer.submit(orders(*range(ORDERS)), lambda outcome: None)
            await asyncio.sleep(0.01)
        assert not (tmp_path / "prepared.tmp").exists()
        room[0] = True
        sequencer.submit(orders(1), lambda outcome: None)
        await asyncio.sleep(0.01)
        assert (tmp_path / "prepared.tmp").exists() and not running.done()
        await sequencer.stop()

    loop.run_until_complete(main())
    log.close()
