"""A log in memory, for tests of what stands on a log: the same interface, no disk.

`reopen` is what a restart finds; with `fail_at` the write of that record number fails and leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.log.interface import LogCorrupt, LogFailed, Tail
from engine.log.record import Record, decode_record
from engine.log.skips import skips_of


class MemoryLog:
    """See `interface.Log`."""

    def __init__(self, raws: list[bytes] | None = None, *, shard: int = 0) -> None:
        self.shard = shard
        self.notes: list[str] = []
        self.fail_at: int | None = None
        self._raws: list[bytes] = []
        self._epoch: int | None = None
        self.failed: str | None = None
        self.tail = Tail()
        self.generation = 0
        skips: list[int] = []
        for raw in raws or []:
            record = decode_record(raw)
            fault = self.tail.fault(record)
            if fault:
                raise LogCorrupt("memory", len(self._raws), self.tail.next_seq, fault)
            skips += skips_of(record.batch)
            self.tail, self.generation = self.tail.after(record), record.generation
            self._raws.append(raw)
        self.skips = frozenset(skips)
        self.durable_number = len(self._raws)
        self.first_number = 1
        self.live = False

    def reopen(self) -> MemoryLog:
        return MemoryLog(self._raws, shard=self.shard)

    def skips_from(self, number: int) -> frozenset[int]:
        return self.skips

    def claim(self, epoch: int | None = None) -> Tail:
        self._epoch = self.tail.epoch + 1 if epoch is None else epoch
        assert self._epoch >= self.tail.epoch, f"epoch {self._epoch} is below {self.tail.epoch}"
        return self.tail._replace(epoch=self._epoch)

    def write(self, record: Record) -> None:
        if self.failed:
            raise LogFailed(self.failed)
        assert record.epoch == self._epoch and record.shard == self.shard, "the writer claims before it writes"
        assert not self.tail.fault(record), self.tail.fault(record)
        if record.number == self.fail_at:
            self.failed = f"record {record.number} could not be made durable: asked to fail"
            raise LogFailed(self.failed)
        self._raws.append(record.raw)
        self.tail, self.generation = self.tail.after(record), record.generation
        self.durable_number = record.number

    def read(self, after: Tail = Tail()) -> Iterator[Record]:
        if after.next_number > self.durable_number + 1:
            raise LogCorrupt("memory", self.durable_number, after.next_seq, "it ends before the place asked for")
        for raw in self._raws[after.next_number - 1 : self.durable_number]:
            record = decode_record(raw)
            if fault := after.fault(record):
                raise LogCorrupt("memory", record.number, after.next_seq, fault)
            after = after.after(record)
            yield record

    def has(self, number: int) -> bool:
        return 1 <= number <= self.durable_number

    def wants_room(self) -> bool:
        return False

    def make_room(self) -> None:
        """Memory is not prepared."""

    def close(self) -> None:
        self._epoch = None
