"""The sequencer in virtual time: order of writing, applying and telling; timers; idling; bounds; ends."""

from __future__ import annotations

import asyncio
from random import Random

import numpy as np
import pytest

from engine.codes import CommandKind
from engine.limits import INBOX_COMMANDS_MAX, RECORD_BYTES_MAX, RECORD_COMMANDS_MAX, RECORD_HEADER_BYTES
from engine.log.memory import MemoryLog
from engine.messages.batch import Batch, cold
from engine.messages.bodies import Resume, SetReference, Skip, decode_body
from engine.messages.rows import COMMAND, EXTENSION
from gateway.env import EXIT_APPLY, EXIT_LOG
from gateway.inbox import Inbox
from gateway.sequencer import Busy, Fatal, Outcome, Sequencer, Stopped
from tests.gateway.virtual_env import START_NS, WRITE_SECONDS, VirtualEnv
from tests.simulation.loop import SimLoop
from tests.tiny_machine import TinyMachine, orders


class Bench:
    """A sequencer between a memory log and a tiny machine; the order of what happens is its story."""

    def __init__(self, log: MemoryLog | None = None, machine: TinyMachine | None = None) -> None:
        self.loop = SimLoop(Random(3))
        self.env = VirtualEnv(self.loop)
        self.log, self.machine = log or MemoryLog(), machine or TinyMachine()
        self.story: list[str] = []
        self.answers: list[Outcome] = []
        self.records = []
        write, apply = self.log.write, self.machine.apply

        def told_write(record):
            write(record)
            self.story.append(f"durable {record.number}")

        def told_apply(record):
            events = apply(record)
            self.story.append(f"applied {record.number}")
            return events

        self.log.write, self.machine.apply = told_write, told_apply
        self.sequencer = Sequencer(self.env, self.log, self.machine, self.on_record)

    def on_record(self, record, events) -> None:
        self.records.append((record, events))
        self.story.append(f"told {record.number}")

    def reply(self, outcome: Outcome) -> None:
        self.answers.append(outcome)
        self.story.append("replied")

    def run(self, script) -> None:
        """Run the sequencer beside a script; ends when the script ends."""

        async def both():
            running = asyncio.ensure_future(self.sequencer.run())
            await script(self)
            if not running.done():
                running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return running

        running = self.loop.run_until_complete(both())
        self.error = None if running.cancelled() else running.exception()

    def kinds(self) -> list[list[str]]:
        return [[CommandKind(kind).name for kind in r.batch.rows["kind"]] for r in self.log.read()]


async def settle(seconds: float = 0.002) -> None:
    await asyncio.sleep(seconds)


def test_resume_comes_first_and_alone():
    log = MemoryLog()
    for start in (1, 2):
        bench = Bench(log, TinyMachine())
        bench.machine.seq, bench.machine.ts_ns = log.tail.next_seq - 1, log.tail.ts_ns
        bench.env.offset_ns = START_NS - start * 10**9  # the wall clock was set back between the starts

        async def script(bench):
            bench.sequencer.submit(orders(1, 2), bench.reply)
            await settle(0.02)

        bench.run(script)
        resume = bench.records[0][0]
        assert (resume.epoch, resume.count) == (start, 1)
        body = decode_body(CommandKind.RESUME, resume.batch.blob)
        assert isinstance(body, Resume) and body.now_ns == resume.ts_ns
        if start == 1:
            assert body.last_ts_ns == body.now_ns, "nothing came before: there was no outage"
            last_ns = bench.records[-1][0].ts_ns
        else:
            assert body.last_ts_ns == last_ns and body.now_ns >= last_ns
        log = log.reopen()


def test_nothing_is_applied_before_it_is_durable_nor_told_before_it_is_applied():
    bench = Bench()

    async def script(bench):
        for _ in range(30):
            bench.sequencer.submit(orders(1), bench.reply)
            await asyncio.sleep(WRITE_SECONDS / 3)
        await settle()

    bench.run(script)
    assert len(bench.answers) == 30 and all(answer.status == "applied" for answer in bench.answers)
    for number in range(1, len(bench.records) + 1):
        place = [bench.story.index(f"{what} {number}") for what in ("durable", "applied", "told")]
        assert place == sorted(place)
        assert all(step == "replied" for step in bench.story[place[1] + 1 : place[2]]), "replies first, then everyone"


def test_a_record_is_applied_while_the_next_one_is_written():
    """With work waiting, record n+1 is at the disk before n is applied, and n is told before n+1 is durable."""
    bench = Bench()
    begun = []
    run_blocking = bench.env.run_blocking
    bench.env.run_blocking = lambda function, record: (
        begun.append((record.number, len(bench.story))),
        run_blocking(function, record),
    )[1]

    async def script(bench):
        for _ in range(20):
            bench.sequencer.submit(orders(1), bench.reply)
            await asyncio.sleep(WRITE_SECONDS / 4)
        await settle()

    bench.run(script)
    overlapped = 0
    for number, at in begun[1:]:
        applied_before = f"applied {number - 1}" in bench.story[:at]
        if not applied_before:
            overlapped += 1
            assert bench.story.index(f"told {number - 1}") < bench.story.index(f"durable {number}")
    assert overlapped >= 3


def test_records_say_what_was_durable_and_applied_when_they_were_stamped():
    bench = Bench()

    async def script(bench):
        for _ in range(10):
            bench.sequencer.submit(orders(1, 2, 3), bench.reply)
            await asyncio.sleep(0.0003)
        await settle()

    bench.run(script)
    for before, record in zip([None, *bench.log.read()], bench.log.read(), strict=False):
        assert record.durable_through == record.number - 1
        assert record.applied_seq < record.first_seq
        if before is not None:
            assert record.ts_ns >= before.ts_ns and record.first_seq == before.next_seq


def test_one_empty_record_follows_within_5_ms_and_then_silence():
    bench = Bench()

    async def script(bench):
        await settle(0.02)
        bench.sequencer.submit(orders(1), bench.reply)
        await settle(60.0)

    bench.run(script)
    assert bench.kinds() == [["RESUME"], [], ["NEW"], []]
    order, after_order = [record for record, _ in bench.records][2:]
    assert after_order.ts_ns == order.ts_ns and after_order.durable_through == order.number
    assert bench.story[-2:] == ["applied 4", "told 4"]
    assert all(len(events) == 0 for record, events in bench.records if record.count == 0)


def test_the_empty_record_comes_within_5_ms():
    bench = Bench()
    when = {}
    write = bench.log.write
    bench.log.write = lambda record: (write(record), when.__setitem__(record.number, bench.loop.time()))[0]

    async def script(bench):
        await settle(1.0)

    bench.run(script)
    assert 0 < when[2] - when[1] <= 0.005


def test_a_due_timer_becomes_a_time_record_when_nothing_else_comes():
    bench = Bench()
    due_ns = START_NS + 3 * 10**9

    async def script(bench):
        await settle()
        bench.machine.due = due_ns
        bench.sequencer.submit(orders(1), bench.reply)
        await settle(10.0)

    bench.run(script)
    assert bench.kinds() == [["RESUME"], ["NEW"], [], ["TIME"], []]
    time = bench.records[3][0]
    assert due_ns <= time.ts_ns < due_ns + 2_000_000
    assert bench.machine.due is None


def test_a_due_timer_needs_no_record_of_its_own_when_commands_come():
    bench = Bench()

    async def script(bench):
        await settle()
        bench.machine.due = START_NS + 5_000_000
        for _ in range(200):
            bench.sequencer.submit(orders(1), bench.reply)
            await asyncio.sleep(WRITE_SECONDS / 5)

    bench.run(script)
    assert ["TIME"] not in bench.kinds() and bench.machine.due is None


def test_time_comes_every_ten_seconds_while_a_clock_runs_that_an_outage_would_extend():
    bench = Bench()

    async def script(bench):
        await settle(35.0)
        bench.machine.clock_runs = True
        bench.sequencer.submit(orders(1), bench.reply)
        await settle(35.0)
        bench.machine.clock_runs = False
        await settle(100.0)

    bench.run(script)
    commands = [(record.ts_ns, record.batch.rows["kind"][0]) for record, _ in bench.records if record.count]
    assert [kind for _, kind in commands] == [CommandKind.RESUME, CommandKind.NEW] + [CommandKind.TIME] * 3
    gaps = np.diff([ts_ns for ts_ns, _ in commands[1:]])
    assert (gaps <= 10 * 10**9 + 10_000_000).all()


def test_each_submission_hears_its_own_events_in_a_shared_record():
    bench = Bench()
    heard = {}

    async def script(bench):
        await settle()
        for number, size in enumerate((1, 3, 2)):
            bench.sequencer.submit(
                orders(*[10 * number + k for k in range(size)]), lambda o, n=number: heard.update({n: o})
            )
            bench.sequencer.submit_rows(orders(99, connection=5).rows.tobytes())
        await settle()

    bench.run(script)
    shared = bench.records[1][0]
    assert shared.count == 9
    for number, (row0, size) in enumerate(((0, 1), (2, 3), (6, 2))):
        outcome = heard[number]
        assert (outcome.status, outcome.row0, outcome.first_seq) == ("applied", row0, shared.first_seq)
        assert outcome.events["command"].tolist() == list(range(row0, row0 + size))
        assert outcome.events["qty"].tolist() == [10 * number + k for k in range(size)]
    _, events = bench.records[1]
    packed = shared.batch.rows["connection"] == 5
    assert events["qty"][packed].tolist() == [99, 99, 99]


def test_submissions_are_never_split_and_records_never_overfull():
    bench = Bench()
    sizes = [1_500, 1_500, 1_500, 4_000, 1, 3_999, 2_000]

    async def script(bench):
        await settle()
        for size in sizes:
            bench.sequencer.submit(orders(*range(size)), bench.reply)
        await settle(0.1)

    bench.run(script)
    counts = [record.count for record, _ in bench.records if record.count > 1]
    assert counts == [3_000, 1_500, 4_000, 4_000, 2_000]
    assert [len(answer.events) for answer in bench.answers] == sizes


def test_bytes_bound_a_record_as_well():
    inbox = Inbox()
    body = SetReference(1, None)
    wide = cold(body)
    wide = Batch(wide.rows.copy(), blob=bytes(60_000))
    wide.rows["body_length"] = 60_000
    for _ in range(9):
        inbox.add(wide, lambda outcome: None)
    taken = []
    while inbox.waiting:
        taken.append(inbox.take().batch)
    assert [len(batch) for batch in taken] == [4, 4, 1]
    assert all(RECORD_HEADER_BYTES + batch.nbytes <= RECORD_BYTES_MAX for batch in taken)
    with pytest.raises(ValueError):
        inbox.add(Batch(np.zeros(RECORD_COMMANDS_MAX + 1, COMMAND)), lambda outcome: None)
    with pytest.raises(ValueError):
        inbox.add(Batch(np.zeros(0, COMMAND)), lambda outcome: None)


def test_raw_rows_of_one_call_stay_together_and_in_order():
    inbox = Inbox()
    chance = Random(2)
    calls, number = [], 0
    for _ in range(60):
        if chance.random() < 0.2:
            inbox.add(orders(-1), lambda outcome: None)
        size = chance.randint(1, 900)
        calls.append(list(range(number, number + size)))
        number += size
        assert inbox.add_rows(orders(*calls[-1]).rows.tobytes()) == size
    found = []
    while inbox.waiting:
        batch = inbox.take().batch
        assert 0 < len(batch) <= RECORD_COMMANDS_MAX
        found.append([qty for qty in batch.rows["qty"].tolist() if qty >= 0])
    assert [qty for record in found for qty in record] == list(range(number))
    records = [set(record) for record in found]
    assert all(sum(1 for record in records if set(call) & record) == 1 for call in calls)


def test_raw_rows_after_a_take_go_into_the_next_record():
    inbox = Inbox()
    for number in range(5):
        inbox.add_rows(orders(number).rows.tobytes())
        assert inbox.take().batch.rows["qty"].tolist() == [number] and inbox.waiting == 0
    for number in range(3 * RECORD_COMMANDS_MAX):
        inbox.add_rows(orders(number).rows.tobytes())
    found = inbox.take().batch.rows["qty"].tolist()
    inbox.add_rows(orders(-1).rows.tobytes())
    while inbox.waiting:
        found += inbox.take().batch.rows["qty"].tolist()
    assert found == [*range(3 * RECORD_COMMANDS_MAX), -1]


@pytest.mark.parametrize("raw", [b"", b"x" * 63, b"x" * 65, bytes(64 * (RECORD_COMMANDS_MAX + 1))])
def test_bytes_that_are_no_whole_rows_are_refused(raw):
    inbox = Inbox()
    with pytest.raises(ValueError):
        inbox.add_rows(raw)
    inbox.add_rows(orders(1).rows.tobytes())
    if len(raw) % 64:
        with pytest.raises(ValueError):
            inbox.add_rows(raw)
    assert inbox.waiting == 1 and len(inbox.take().batch) == 1


def test_random_bytes_as_raw_rows_can_name_no_cold_command_and_no_body():
    inbox = Inbox()
    raw = Random(4).randbytes(64 * 2_000)
    inbox.add_rows(raw)
    rows = inbox.take().batch.rows
    sent = np.frombuffer(raw, COMMAND)
    assert not (rows["kind"] >= 64).any() and not rows["body_length"].any() and not rows["extension"].any()
    honest = (sent["kind"] < 64) & (sent["body_length"] == 0) & (sent["extension"] == 0)
    assert (rows["kind"][~honest] == 0).all() and (rows["kind"][honest] == sent["kind"][honest]).all()
    assert (rows["qty"] == sent["qty"]).all()


def test_extension_rows_and_bodies_keep_to_their_commands():
    inbox = Inbox()

    def extended(qty: int, texts: list[str]) -> Batch:
        batch = orders(*[qty] * len(texts))
        batch.rows["extension"] = np.arange(1, len(texts) + 1)
        batch.rows["body_length"] = [len(text) for text in texts]
        extensions = np.zeros(len(texts), EXTENSION)
        extensions["group"] = [qty * 10 + k for k in range(len(texts))]
        return Batch(batch.rows, extensions, "".join(texts).encode())

    inbox.add(extended(1, ["one"]), lambda outcome: None)
    inbox.add_rows(orders(7, 7).rows.tobytes())
    inbox.add(orders(8), lambda outcome: None)
    inbox.add(extended(2, ["two", "", "three"]), lambda outcome: None)
    batch = inbox.take().batch
    ends = np.cumsum(batch.rows["body_length"])
    seen = []
    for row, end in zip(batch.rows, ends, strict=True):
        group = batch.extensions["group"][row["extension"] - 1] if row["extension"] else None
        seen.append((int(row["qty"]), group, batch.blob[end - row["body_length"] : end].decode()))
    assert seen == [
        (1, 10, "one"),
        (7, None, ""),
        (7, None, ""),
        (8, None, ""),
        (2, 20, "two"),
        (2, 21, ""),
        (2, 22, "three"),
    ]
    assert not batch.rows.flags.writeable


def test_a_full_inbox_refuses_whole_and_takes_again_when_there_is_room():
    bench = Bench()

    async def script(bench):
        await settle()
        taken = 0
        with pytest.raises(Busy):
            while True:
                taken += bench.sequencer.submit_rows(orders(*[0] * 1_000).rows.tobytes())
        assert taken == INBOX_COMMANDS_MAX // 1_000 * 1_000
        rest = INBOX_COMMANDS_MAX - taken
        with pytest.raises(Busy):
            bench.sequencer.submit(orders(*[1] * (rest + 1)), bench.reply)
        bench.sequencer.submit(orders(*[1] * rest), bench.reply)
        with pytest.raises(Busy):
            bench.sequencer.submit(orders(1), bench.reply)
        await settle(0.1)
        bench.sequencer.submit(orders(1), bench.reply)
        await settle(0.1)

    bench.run(script)
    assert len(bench.answers) == 2
    assert bench.machine.seq == 1 + INBOX_COMMANDS_MAX + 1


def test_a_reply_that_raises_harms_nobody_else():
    bench = Bench()

    def broken(outcome):
        raise ConnectionResetError("closed")

    def broken_record(record, events):
        raise RuntimeError("projection")

    bench.sequencer.on_record = broken_record

    async def script(bench):
        await settle()
        for _ in range(3):
            bench.sequencer.submit(orders(1), broken)
            bench.sequencer.submit(orders(2), bench.reply)
            await settle()

    bench.run(script)
    assert [answer.status for answer in bench.answers] == ["applied"] * 3
    assert bench.sequencer.callbacks_failed >= 6 and bench.env.exits == []


def test_a_failed_log_answers_unknown_and_ends_the_venue():
    bench = Bench()
    bench.log.fail_at = 3

    async def script(bench):
        await settle(0.001)
        bench.sequencer.submit(orders(1), bench.reply)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        bench.sequencer.submit(orders(2), bench.reply)
        await asyncio.sleep(WRITE_SECONDS * 1.5)
        bench.sequencer.submit(orders(3), bench.reply)  # waits in the inbox when the log fails
        await settle()
        with pytest.raises(Stopped):
            bench.sequencer.submit(orders(4), bench.reply)
        with pytest.raises(Stopped):
            bench.sequencer.submit_rows(orders(4).rows.tobytes())

    bench.run(script)
    assert [answer.status for answer in bench.answers] == ["applied", "unknown", "unknown"]
    assert isinstance(bench.error, Fatal) and bench.error.code == EXIT_LOG
    ((code, why),) = bench.env.exits
    assert code == EXIT_LOG and "storage_failed" in why
    assert bench.log.durable_number == 2 and len(bench.records) == 2


def test_an_exception_out_of_apply_ends_the_venue_and_nothing_of_it_is_told():
    bench = Bench()
    bench.machine.poison_qty = 13

    async def script(bench):
        await settle()
        bench.sequencer.submit(orders(1), bench.reply)
        await settle()
        bench.sequencer.submit(orders(2, 13), bench.reply)
        await asyncio.sleep(WRITE_SECONDS / 2)
        bench.sequencer.submit(orders(3), bench.reply)
        await settle()

    bench.run(script)
    assert [answer.status for answer in bench.answers] == ["applied", "unknown", "unknown"]
    ((code, why),) = bench.env.exits
    assert code == EXIT_APPLY and "ZeroDivisionError" in why and "qhatu skip" in why
    assert "3 to 4" in why, "it names the commands"
    told = [record.number for record, _ in bench.records]
    assert not any((record.batch.rows["qty"] == 13).any() for record, _ in bench.records)
    assert told == sorted(told)
    assert any((record.batch.rows["qty"] == 13).any() for record in bench.log.read()), "the log holds the evidence"


def test_stop_decides_what_waits_and_leaves_a_log_that_vouches_for_itself():
    bench = Bench()

    async def script(bench):
        await settle()
        for _ in range(5):
            bench.sequencer.submit(orders(*range(2_000)), bench.reply)
        stopping = asyncio.ensure_future(bench.sequencer.stop())
        await asyncio.sleep(0)
        with pytest.raises(Stopped):
            bench.sequencer.submit(orders(1), bench.reply)
        await stopping

    bench.run(script)
    assert [answer.status for answer in bench.answers] == ["applied"] * 5
    assert bench.error is None and bench.env.exits == []
    last = list(bench.log.read())[-1]
    assert last.count == 0 and last.durable_through == last.number - 1 and last.applied_seq == bench.machine.seq
    assert bench.records[-1][0].number == last.number


def test_rows_of_a_live_record_are_those_a_replay_gives():
    """Read-only, same type: the kernel is compiled once for both."""
    bench = Bench()

    async def script(bench):
        await settle()
        bench.sequencer.submit(orders(1, 2), bench.reply)
        bench.sequencer.submit_rows(orders(3).rows.tobytes())
        bench.sequencer.submit(cold(Skip(1, "x")), bench.reply)
        await settle()

    bench.run(script)
    for (live, _), read in zip(bench.records, bench.log.read(), strict=True):
        assert live.batch.rows.tobytes() == read.batch.rows.tobytes() and live.batch.blob == read.batch.blob
        if live.batch.rows["kind"].tolist() != [CommandKind.RESUME]:
            assert not live.batch.rows.flags.writeable or not live.count
