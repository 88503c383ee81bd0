"""One start of the serving process: log, machine, sequencer and feeds are the real ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.codes import Phase, Side
from engine.limits import BOOK_DEPTH_MAX
from engine.log.interface import LogCorrupt, LogFailed
from engine.log.record import Record
from engine.log.replay import DigestDiffers, replay
from engine.messages.batch import Batch
from engine.state import books as kernel
from gateway.market_data.hub import Hub
from gateway.replaying import Folding, NoWayBack
from gateway.sequencer import Fatal, Sequencer
from gateway.storage import Storage, grows
from tests.simulation.env import SimEnv
from tests.simulation.loop import PROCESS

if TYPE_CHECKING:
    from tests.simulation.screens import Line
    from tests.simulation.world import World

TICK_SECONDS = 0.02
CURVE_SECONDS = 0.05
WATCH_SECONDS = 0.1
logging.getLogger("qhatu.storage").addHandler(logging.NullHandler())  # thousands of disks fill up in a campaign

Sides = tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]


class Server:
    """From opening the log to the end of the process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sequencer: Sequencer | None = None
        self.hub: Hub | None = None
        self.receivers: dict[int, Callable[[int, np.ndarray], None]] = {}  # of packed answers, by connection
        self.lines: list[Line] = []  # connections that read feeds

    async def main(self) -> None:
        world = self.world
        self.env = SimEnv(world)
        try:
            self._recover()
        except (LogCorrupt, DigestDiffers, NoWayBack) as error:
            world.refused("serve", error)
            world.loop.kill(PROCESS.get())
            return
        except (LogFailed, OSError) as error:
            world.failed_starts += 1
            world.note(f"open failed {error}")
            world.loop.kill(PROCESS.get())
            return
        except Exception as error:
            raise world.violated(f"recovery ends without a name: {type(error).__name__} {error}") from error
        world.failed_starts = 0
        self.storage = Storage(self.env.files, world.LOG, 2 * world.SEGMENT_BYTES, world.SEGMENT_BYTES)
        self.storage.look()
        self.sequencer = world.variants.sequencer(self.env, self.log, self.machine, self.on_record)
        self.sequencer.has_room = self.storage.has_room
        world.server = self
        self.watching = asyncio.ensure_future(self._watch_storage())
        if self.hub is not None:
            self.ticking = asyncio.ensure_future(self._run_ticks())
        try:
            await self.sequencer.run()
        except Fatal:
            await asyncio.sleep(1e9)  # until the process ends
        self.log.close()

    def _recover(self) -> None:
        world = self.world
        self.log = world.variants.open_log(self.env.files)
        self.env.anchor(self.log.tail.ts_ns)
        standing = world.variants.stand(self.env.files, self.log, kernel.Books)
        replay(self.log, Folding(standing), after=standing.tail)
        self.machine = standing.machine
        if world.storm.feeds:
            epoch = self.log.tail.epoch + 1
            self.hub = world.variants.hub(self.machine, epoch, self.env.now_ns(), world.loop.call_soon)
            self.hub.trades.fold = standing.trades
        world.variants.after_replay(self.machine)
        world.note(f"start {self.log.tail.next_number} {self.machine.state_hash().hex()} {self.log.notes}")
        for note in standing.notes:
            world.note(note)
            if "planted" not in note and not world.disk.rotten():
                raise world.violated(f"what bears the name of a snapshot is none: {note}")

    async def _watch_storage(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.storage.look()

    @property
    def has_doors(self) -> bool:
        """Whether readers can connect: as in the venue, once RESUME is durable and applied. Before it the writer's
        epoch is not on disk, and the next start might have the same."""
        return self.hub is not None and self.sequencer is not None and self.sequencer.records > 0

    def takes(self, batch: Batch) -> bool:
        """As the front does: while storage is low, nothing that grows."""
        return not (self.storage.low and grows(batch.rows["kind"]))

    # Deciding and telling

    def on_record(self, record: Record, events: np.ndarray) -> None:
        self.world.published.append((record.number, record.digest, events.tobytes()))
        self.check_books()
        self.world.secrets.check_rows(self.world.variants.public_view(events), "the public feeds")
        if self.hub is not None:
            try:
                self.hub.take(record, events)
            except Exception as error:
                raise self.world.violated(f"a fault in the feeds: {type(error).__name__} {error}") from error
        rows = record.batch.rows
        for row in np.flatnonzero(rows["connection"]):
            receiver = self.receivers.get(int(rows["connection"][row]))
            if receiver is not None:
                receiver(record.first_seq + int(row), int(rows["ref_lo"][row]), events[events["command"] == row])

    def check_books(self) -> None:
        hot = self.machine.hot
        for instrument in self.machine.venue.instruments:
            if hot.phase(instrument) == Phase.CONTINUOUS:
                bids, asks = hot.depth(instrument, Side.BUY, 1), hot.depth(instrument, Side.SELL, 1)
                if len(bids) and len(asks) and bids["price"][0] >= asks["price"][0]:
                    raise self.world.violated(f"book {instrument} is crossed in continuous trading")

    # Feeds

    async def _run_ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.tick()
            except Exception as error:
                raise self.world.violated(f"the feeds stop: {type(error).__name__} {error}") from error

    def tick(self) -> None:
        assert self.hub is not None
        self.hub.tick()
        self.hub.sales.tick()
        self.hub.auction.tick(self.env.now_ns())
        for instrument in self.machine.venue.instruments:
            self.world.books.tell(instrument, self.hub.book.version(instrument), self.sides(instrument))
        for line in list(self.lines):
            line.catch_up()

    def sides(self, instrument: int) -> Sides:
        """All levels as the engine has them now."""
        hot = self.machine.hot
        return (
            hot.depth(instrument, Side.BUY, BOOK_DEPTH_MAX).tolist(),
            hot.depth(instrument, Side.SELL, BOOK_DEPTH_MAX).tolist(),
        )
