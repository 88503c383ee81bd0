"""The one writer: everything that happens in a shard passes through this loop, in one order.

    inbox -> stamp -> durable (another thread) -> engine -> replies and fan-out
                          n+1                         n

Record n is applied when it is durable, while record n+1 is being written; nobody hears of a command before both.
Nothing here decides anything about a market.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np

from engine.log.interface import Log, LogFailed, Tail
from engine.log.record import GENERATION, Record, encode_record
from engine.messages.batch import Batch, cold
from engine.messages.bodies import Resume, Time
from engine.messages.rows import EVENT
from gateway.env import EXIT_APPLY, EXIT_LOG, Env
from gateway.inbox import EMPTY, Busy, Inbox, Outcome, Reply, Taken

__all__ = ["Busy", "Fatal", "Outcome", "Sequencer", "Stopped"]

IDLE_NS = 3_000_000  # after the last record the empty one that makes it known durable follows; within 5 ms
HEARTBEAT_NS = 10 * 10**9  # at most this far apart while a timer runs that an outage would extend
NO_EVENTS = np.zeros(0, EVENT)


class Stopped(Busy):
    """The sequencer takes nothing more: it is stopping, or `fatal` says why it stopped."""


class Fatal(Exception):
    """The venue has stopped; `code` is the exit code."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Machine(Protocol):
    """What the sequencer needs of `engine.machine.Machine`."""

    seq: int
    event_digest: bytes

    def apply(self, record: Record) -> np.ndarray: ...

    def next_due(self) -> int | None: ...

    def outage_clock_runs(self) -> bool: ...


class Stamp:
    """Gives batches their place: sequence, number, time, chain. Pure."""

    def __init__(self, tail: Tail, shard: int) -> None:
        self.tail, self.shard = tail, shard
        self.epoch = tail.epoch

    def record(self, batch: Batch, now_ns: int, applied_seq: int, event_digest: bytes) -> Record:
        """The next record. Its time is `now_ns`, or the last record's where that is later or the batch is empty."""
        tail = self.tail
        record = encode_record(
            batch,
            shard=self.shard,
            generation=GENERATION,
            epoch=self.epoch,
            first_seq=tail.next_seq,
            ts_ns=max(now_ns, tail.ts_ns) if len(batch) else tail.ts_ns,
            number=tail.next_number,
            prev_digest=tail.digest,
            durable_through=tail.next_number - 1,
            applied_seq=applied_seq,
            event_digest=event_digest,
        )
        self.tail = tail.after(record)
        return record


class Sequencer:
    """`run` is the loop; `submit` and `submit_rows` may be called from the event loop at any time before it ends.

    machine    stands at the end of the log (replayed)
    on_record  called once for each applied record with its events, after the replies of its submissions
    on_failed  called once when the venue stops for trouble: raw rows that no record has told of are unknown
    has_room   asked before a segment is prepared ahead of its need; while it says no, that waits
    """

    def __init__(
        self,
        env: Env,
        log: Log,
        machine: Machine,
        on_record: Callable[[Record, np.ndarray], None],
        *,
        on_failed: Callable[[], None] = lambda: None,
        has_room: Callable[[], bool] = lambda: True,
        shard: int = 0,
    ) -> None:
        self.env, self.log, self.machine, self.on_record, self.shard = env, log, machine, on_record, shard
        self.on_failed, self.has_room = on_failed, has_room
        self.inbox = Inbox()
        self.fatal: Fatal | None = None  # why the venue stopped
        self.records = self.commands = 0  # applied in this run
        self.callbacks_failed = 0  # replies and fan-outs that raised
        self.callback_error: BaseException | None = None  # the last of them
        self._stopping = False
        self._ended: asyncio.Future[None] | None = None
        self._waker: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._writing: Taken | None = None
        self._durable: tuple[Record, Taken] | None = None  # not yet applied

    # The two doors

    def submit(self, batch: Batch, reply: Reply) -> None:
        """Queue one batch; `reply` hears its outcome once. Raises Busy: refused whole; ValueError: larger than a
        record."""
        if self._stopping or self.fatal:
            raise Stopped(str(self.fatal or "stopping"))
        self.inbox.add(batch, reply)
        if self._waker is not None:
            self._wake()

    def submit_rows(self, raw: bytes | bytearray | memoryview, extensions: bytes = b"") -> int:
        """Queue whole COMMAND rows without bodies, and the EXTENSION rows that they number from 1; returns how many.
        Their answers reach `on_record` alone, known by the rows' `connection`. Raises as `submit`."""
        if self._stopping or self.fatal:
            raise Stopped(str(self.fatal or "stopping"))
        rows = self.inbox.add_rows(raw, extensions)
        if self._waker is not None:
            self._wake()
        return rows

    # The loop

    async def run(self) -> None:
        """RESUME, then whatever comes, until `stop`. Raises Fatal after `env.fatal`."""
        self._ended = asyncio.get_running_loop().create_future()
        try:
            self._begin()
            while await self._turn():
                pass
        except Fatal:
            raise
        except LogFailed as error:
            raise self._fail(EXIT_LOG, f"storage_failed: {error}") from error
        except Exception as error:
            raise self._fail(EXIT_APPLY, self._what_stopped(error)) from error
        finally:
            if not self._ended.done():
                self._ended.set_result(None)

    async def stop(self) -> None:
        """Take nothing more, decide what waits, write the empty record; returns when all that is done."""
        self._stopping = True
        self._wake()
        if self._ended is not None:
            await self._ended

    def _begin(self) -> None:
        tail = self.log.claim()
        assert self.machine.seq == tail.next_seq - 1, "the machine stands at the end of the log"
        self._stamp = Stamp(tail, self.shard)
        self._empty_written = True
        self.env.anchor(tail.ts_ns)
        now_ns = self.env.now_ns()
        self._first: Batch | None = cold(Resume(tail.ts_ns or now_ns, now_ns))
        self._wrote_ns = now_ns

    async def _turn(self) -> bool:
        """Write what there is while the record before is applied, or apply it, or wait. False: stopped and done.

        Nothing is applied after the log has failed: between the first line and `_apply_durable` nobody else runs.
        """
        if self.fatal is not None:
            raise self.fatal
        if self.log.failed:
            raise LogFailed(self.log.failed)
        taken = self._next()
        if taken is not None:
            record = self._stamp.record(taken.batch, self.env.now_ns(), self.machine.seq, self.machine.event_digest)
            self._writing = taken
            writing = self.env.write(self.log, record)
            self._apply_durable()
            await writing
            self._durable, self._writing = (record, taken), None
            self._wrote_ns = self.env.now_ns()
            self._empty_written = not len(taken.batch)
            self._keep_room()
        elif self._durable is not None:
            self._apply_durable()
        elif self._stopping:
            return False
        else:
            await self._wait()
        return True

    def _next(self) -> Taken | None:
        """What to write now, None when there is nothing (yet)."""
        if self._first is not None:
            batch, self._first = self._first, None
            return Taken(batch, [])
        if self.inbox.waiting:
            return self.inbox.take()
        if self._durable is not None:
            return None  # timers are known once it is applied
        now_ns = self.env.now_ns()
        if now_ns >= self._time_due_ns():
            return Taken(cold(Time()), [])
        if not self._empty_written and (self._stopping or now_ns >= self._wrote_ns + IDLE_NS):
            return Taken(EMPTY, [])
        return None

    def _time_due_ns(self) -> int:
        """When a TIME record is wanted if nothing else comes."""
        due = self.machine.next_due()
        moments = [] if due is None else [due]
        if self.machine.outage_clock_runs():
            moments.append(self._stamp.tail.ts_ns + HEARTBEAT_NS)
        return min(moments, default=2**63)

    async def _wait(self) -> None:
        """Until something is submitted, a timer is due or the empty record is wanted."""
        loop = asyncio.get_running_loop()
        until_ns = self._time_due_ns()
        if not self._empty_written:
            until_ns = min(until_ns, self._wrote_ns + IDLE_NS)
        self._waker = loop.create_future()
        timer = None
        if until_ns < 2**63:
            timer = loop.call_later(max(0, until_ns - self.env.now_ns()) / 1e9, self._wake)
        try:
            await self._waker
        finally:
            self._waker = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waker is not None:
            if not self._waker.done():
                self._waker.set_result(None)
            self._waker = None

    # Deciding and telling

    def _apply_durable(self) -> None:
        """Apply the durable record, then tell: its submissions first, then everyone."""
        if self._durable is None:
            return
        record, taken = self._durable
        events = self.machine.apply(record)
        self._durable = None
        self.records += 1
        self.commands += record.count
        for outcome, reply in _outcomes(record, taken, events):
            self._tell(reply, outcome)
        self._tell(self.on_record, record, events)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        """A reader's trouble (a closed socket, a bug in a projection) is never the loop's."""
        try:
            callback(*args)
        except Exception as error:
            self.callbacks_failed += 1
            self.callback_error = error

    def _keep_room(self) -> None:
        if self.log.wants_room() and (self._room is None or self._room.done()) and self.has_room():
            self._room = asyncio.ensure_future(self.env.run_background(self.log.make_room))
            self._room.add_done_callback(self._room_made)

    def _room_made(self, making: asyncio.Future[None]) -> None:
        """A log that cannot prepare its next segment has failed, whether or not anyone has something to write."""
        error = None if making.cancelled() else making.exception()
        if error is not None:
            self._fail(EXIT_LOG, f"storage_failed: {error}")
            self._wake()

    # Ending badly

    def _fail(self, code: int, why: str) -> Fatal:
        """Nothing more is acknowledged: what is in flight is unknown, and the process ends. Once: the first trouble is
        the one that is told."""
        if self.fatal is not None:
            return self.fatal
        self.fatal = Fatal(code, why)
        flying = [] if self._durable is None else [self._durable[1]]
        flying += [] if self._writing is None else [self._writing]
        replies = [reply for taken in flying for _, _, reply in taken.answers] + self.inbox.refuse_all()
        for reply in replies:
            self._tell(reply, Outcome("unknown", 0, 0, NO_EVENTS, 0))
        self._tell(self.on_failed)
        self.env.fatal(code, why)
        return self.fatal

    def _what_stopped(self, error: Exception) -> str:
        if self._durable is None:
            return f"{type(error).__name__} in the sequencer: {error}"
        record = self._durable[0]
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", []))
        return (
            f"{type(error).__name__} while deciding record {record.number} (commands {record.first_seq} to "
            f"{record.next_seq - 1}): {error}{notes}. Nothing of it was published; a command that cannot be decided "
            "is passed over with `qhatu skip`"
        )


def _outcomes(record: Record, taken: Taken, events: np.ndarray) -> list[tuple[Outcome, Reply]]:
    """Each submission of a record with its part of the events (views, not copies)."""
    answers = taken.answers
    if not answers:
        return []
    first_seq, ts_ns = record.first_seq, record.ts_ns
    commands = events["command"]
    rows = np.fromiter((row for row, _, _ in answers), np.uint32, len(answers))
    counts = np.fromiter((count for _, count, _ in answers), np.uint32, len(answers))
    starts = commands.searchsorted(rows).tolist()
    ends = commands.searchsorted(rows + counts).tolist()
    return [
        (Outcome("applied", first_seq, ts_ns, events[start:end], row), reply)
        for (row, _, reply), start, end in zip(answers, starts, ends, strict=True)
    ]
