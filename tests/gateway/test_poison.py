"""A bug in a rule: the venue stops before it publishes, stops again at every replay, and goes on after a SKIP alone."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from engine import machine as engine_machine
from engine.codes import CommandKind, EventKind, Phase
from engine.log.local import LocalLog
from engine.log.replay import replay
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.refs import text_ref
from engine.oracle.books import Books
from gateway.commands.skip import skipped
from gateway.env import EXIT_APPLY
from gateway.offline import Refused
from gateway.sequencer import Fatal, Outcome, Sequencer
from tests.gateway.virtual_env import VirtualEnv
from tests.simulation.loop import SimLoop

POISON = 13
SEGMENT_BYTES = 64 * 1024
LISTING = bodies.ListInstrument(1, "QH-1", "coffee", "coffee", "0.05", "USc/lb", "bag of 69 kg", "USD", 1, 100)


@pytest.fixture
def planted(monkeypatch):
    """SET_REFERENCE to thirteen breaks the rule, half way through."""
    rule = engine_machine.RULES[CommandKind.SET_REFERENCE]

    def broken(turn, body):
        reason = rule(turn, body)
        if body.reference == POISON:
            raise ZeroDivisionError("planted in a rule")
        return reason

    monkeypatch.setitem(engine_machine.RULES, CommandKind.SET_REFERENCE, broken)


def reference(ticks: int) -> Batch:
    return cold(bodies.SetReference(1, ticks), ref=tuple(map(int, text_ref(f"reference-{ticks}"))))


class Start:
    """One start of the venue on a data directory."""

    def __init__(self, data) -> None:
        self.loop = SimLoop(Random(1))
        self.env = VirtualEnv(self.loop)
        self.log = LocalLog.open(self.env.files, data / "log", segment_bytes=SEGMENT_BYTES)
        self.machine = Machine(Books(), self.log.skips)
        self.outcomes: list[Outcome] = []
        self.told: list[int] = []  # sequences

    def serve(self, *batches: Batch) -> int | None:
        """Replay, submit the batches 1 ms apart, stop. Returns the exit code when the venue stopped itself."""
        replay(self.log, self.machine)
        sequencer = Sequencer(self.env, self.log, self.machine, self.on_record)

        async def script() -> int | None:
            running = asyncio.ensure_future(sequencer.run())
            await asyncio.sleep(0.001)
            for batch in batches:
                sequencer.submit(batch, self.outcomes.append)
                await asyncio.sleep(0.001)
            await sequencer.stop()
            try:
                await running
            except Fatal as fatal:
                return fatal.code
            return None

        try:
            return self.loop.run_until_complete(script())
        finally:
            self.log.close()

    def on_record(self, record, events) -> None:
        self.told += range(record.first_seq, record.next_seq)


def test_a_planted_exception_stops_the_venue_until_a_skip_names_it(tmp_path, planted):
    first = Start(tmp_path)
    opening = [cold(LISTING), cold(bodies.SetPhase(1, Phase.CALL))]
    assert first.serve(*opening, join([reference(12), reference(POISON), reference(14)])) == EXIT_APPLY
    assert [outcome.status for outcome in first.outcomes] == ["applied", "applied", "unknown"]
    assert first.told == [1, 2, 3], "nothing of the record was published"
    ((code, why),) = first.env.exits
    assert code == EXIT_APPLY and "ZeroDivisionError" in why and "command 5" in why and "qhatu skip" in why

    for _ in range(2):  # it is in the log: every start comes to it again
        again = Start(tmp_path)
        with pytest.raises(ZeroDivisionError):
            again.serve()
        again.log.close()

    with pytest.raises(Refused):
        skipped(tmp_path, 3, "what was told stands")
    skipped(tmp_path, 5, "rule breaks at thirteen")

    after = Start(tmp_path)
    assert after.log.skips == {5}
    assert after.serve(reference(15)) is None
    assert after.machine.venue.instruments[1].reference == 15
    (outcome,) = after.outcomes
    assert outcome.status == "applied"
    verdicts = {}
    again = Machine(Books(), frozenset({5}))
    for record in LocalLog.open(after.env.files, tmp_path / "log", writable=False).read():
        for event in again.apply(record):
            verdicts.setdefault(record.first_seq + int(event["command"]), []).append(EventKind(int(event["kind"])))
    assert verdicts[5] == [EventKind.SKIPPED]
    assert EventKind.REFERENCE_SET in verdicts[4] and EventKind.REFERENCE_SET in verdicts[6], "its neighbours stand"
    assert again.state_hash() == after.machine.state_hash()
