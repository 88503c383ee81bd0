"""In what is written and acknowledged: sequencer, log, the way back."""

from __future__ import annotations

from collections.abc import Callable

from engine.limits import SEGMENT_HEADER_BYTES
from engine.log.follow import LogReader
from engine.log.interface import Tail
from engine.log.local import LocalLog
from engine.log.record import Record, padded
from engine.log.segments import Walk, decode_segment_header
from engine.machine import Machine
from engine.messages.batch import Batch
from gateway.inbox import Reply
from gateway.sequencer import Sequencer
from tests.simulation.disk import SimFiles
from tests.simulation.env import SimEnv
from tests.simulation.storm import Storm
from tests.simulation.variants import Variants
from tests.simulation.world import World


class EagerSequencer(Sequencer):
    """Applies and answers while the record is still being written."""

    async def _turn(self) -> bool:
        taken = self._next()
        if taken is None:
            if self._stopping:
                return False
            await self._wait()
            return True
        record = self._stamp.record(taken.batch, self.env.now_ns(), self.machine.seq, self.machine.event_digest)
        writing = self.env.write(self.log, record)
        self._durable = (record, taken)
        self._apply_durable()
        await writing
        self._wrote_ns, self._empty_written = self.env.now_ns(), not len(taken.batch)
        return True


class QuietlyEagerSequencer(EagerSequencer):
    """Applies and publishes before the record is durable, but holds the answers back until it is."""

    async def _turn(self) -> bool:
        held: list[tuple[Callable, tuple]] = []
        tell, on_record = self._tell, self.on_record
        self._tell = lambda callback, *args: (
            tell(callback, *args) if callback == on_record else held.append((callback, args))
        )
        going = await super()._turn()
        self._tell = tell
        for callback, args in held:
            tell(callback, *args)
        return going


class AckBeforeSync(Variants):
    def sequencer(self, env: SimEnv, log: LocalLog, machine: Machine, on_record: Callable) -> Sequencer:
        return EagerSequencer(env, log, machine, on_record)


class ApplyBeforeDurable(Variants):
    def sequencer(self, env: SimEnv, log: LocalLog, machine: Machine, on_record: Callable) -> Sequencer:
        return QuietlyEagerSequencer(env, log, machine, on_record)


class SkipDataSync(Variants):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.disk.syncs_are_skipped = True


class SkipDirectorySync(Variants):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.disk.dir_syncs_are_skipped = True


class RetryFailedSync(Variants):
    def storm(self, storm: Storm) -> Storm:
        storm.serve.error_rate = 0.01
        return storm

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.disk.failed_syncs_are_retried = True


class ForgetIdsOnReplay(Variants):
    def after_replay(self, machine: Machine) -> None:
        machine.hot.sweep_client_ids(2**62)
        machine.venue.remembered.clear()


class CutTheLastRecord(Variants):
    """Takes the last record for torn although it is whole."""

    def open_log(self, files: SimFiles) -> LocalLog:
        for name in files.listdir(self.world.LOG)[-1:]:
            if name.endswith(".seg"):
                handle = files.open(self.world.LOG / name)
                content = files.pread(handle, files.size(handle), 0)
                at, last = SEGMENT_HEADER_BYTES, None
                for record in Walk(name, content, decode_segment_header(content).tail, 0):
                    at, last = at + padded(len(record.raw)), record
                if last is not None:
                    files.pwrite(handle, bytes(len(last.raw)), at - padded(len(last.raw)))
        return super().open_log(files)


class HastyReader(LogReader):
    """Hands out the last record without anything that vouches for it."""

    def _look(self, max_records: int, window: int, later: int | None) -> tuple[Walk, list[Record]]:
        return super()._look(max_records, window, 2**62 if later is None else later)


class FollowUndurable(Variants):
    def storm(self, storm: Storm) -> Storm:
        self.world.look_rate, storm.serve.crash_rate = 0.5, 0.02
        return storm

    def reader(self, files: SimFiles, tail: Tail) -> LogReader:
        return HastyReader(files, self.world.LOG, tail=tail)


class NoResume(Variants):
    def sequencer(self, env: SimEnv, log: LocalLog, machine: Machine, on_record: Callable) -> Sequencer:
        class Restless(Sequencer):
            def _begin(self) -> None:
                super()._begin()
                if self.machine.seq:
                    self._first = None

        return Restless(env, log, machine, on_record)


class ForgetTimersOnRestart(Variants):
    """A restart loses the timers: state that did not come through the log."""

    def after_replay(self, machine: Machine) -> None:
        for timer in list(machine.venue.timers):
            machine.venue.timers.cancel(timer.timer)


class NewIdOnRepeat(Variants):
    """A command that is sent again is given another id on its way in."""

    def sequencer(self, env: SimEnv, log: LocalLog, machine: Machine, on_record: Callable) -> Sequencer:
        seen: dict[int, Batch] = {}

        class Helpful(Sequencer):
            def submit(self, batch: Batch, reply: Reply) -> None:
                if seen.setdefault(id(batch), batch) is batch and id(batch) in asked:
                    rows = batch.rows.copy()
                    rows["ref_lo"] ^= 1
                    batch = Batch(rows, batch.extensions, batch.blob)
                asked.add(id(batch))
                super().submit(batch, reply)

        asked: set[int] = set()
        return Helpful(env, log, machine, on_record)
