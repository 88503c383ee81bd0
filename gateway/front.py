"""What every request handler reaches: the venue's parts, its fan-out and its registers of connections.

sequencer -> on_record -> packed answers | feeds        (after the replies of single submissions)
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from engine.log.record import Record
from engine.machine import Machine
from engine.messages.batch import Batch
from gateway.auth import Caller
from gateway.env import Env
from gateway.market_data.hub import Hub
from gateway.metrics import Counts, Metrics
from gateway.order_entry import Desk
from gateway.places import LOG_FOLDER, VAULT_FILE
from gateway.problems import Problem, busy, storage_failed, storage_low
from gateway.queries import History
from gateway.rates import Limiter
from gateway.sequencer import Busy, Outcome, Sequencer, Stopped
from gateway.settings import Settings
from gateway.storage import Storage, grows
from gateway.vault import Vault
from gateway.ws.packed import answer_rows

if TYPE_CHECKING:
    from gateway.ws.session import Session

log = logging.getLogger("qhatu.gateway")
MIN_SEQ_POLL_SECONDS = 0.005
HISTORY_THREADS = 2
HISTORY_QUESTIONS_MAX = 64  # that wait for a thread
T = TypeVar("T")


class Front:
    """`attach` gives it the sequencer once the log is replayed; `ready` says whether orders are taken."""

    def __init__(self, settings: Settings, env: Env, machine: Machine, history: History | None, epoch: int) -> None:
        loop = asyncio.get_running_loop()
        self.settings, self.env, self.machine, self.history = settings, env, machine, history
        self.desk = Desk(machine)
        self.hub = Hub(machine, epoch, env.now_ns(), loop.call_soon, settings.auction_curve_seconds)
        self.limiter = Limiter(settings, loop.time)
        self.storage = Storage(
            env.files, settings.data / LOG_FOLDER, settings.storage_low_bytes, settings.segment_bytes
        )
        self.vault = Vault(env.files, settings.data / VAULT_FILE, env.run_background, env.secret)
        self.counts = Counts()
        self.metrics = Metrics(self.counts)
        self.listing = asyncio.Lock()  # a new instrument takes the number after the highest
        self.sequencer: Sequencer | None = None
        self.ready = False
        self.closing = False
        self.turn = 0  # counts records and ticks: what a connection had not sent before this one is its backlog
        self.sessions: dict[int, Session] = {}  # by connection number
        self.behind: set[Session] = set()
        self.per_key: Counter[bytes] = Counter()
        self._last_number = 0
        self._threads = ThreadPoolExecutor(HISTORY_THREADS, thread_name_prefix="history")
        self._asked = 0

    def attach(self, sequencer: Sequencer) -> None:
        self.sequencer = sequencer
        self.submit_rows = sequencer.submit_rows  # the packed path; only while `ready`

    # The fan-out

    def on_record(self, record: Record, events: np.ndarray) -> None:
        """Tell everyone whom a record's events concern. A fault in one reader is not the next one's."""
        self.turn += 1
        if record.count:
            self.metrics.record_commands.observe(record.count)
            self.counts.events += len(events)
        try:
            answer_rows(self.sessions, record, events)
        except Exception:
            self.fault("packed")
        try:
            self.hub.take(record, events)
        except Exception:
            self.fault("feeds")

    def on_failed(self) -> None:
        """The venue has stopped: packed rows that wait for their answer hear that their outcome is unknown."""
        self.ready = False
        for session in list(self.sessions.values()):
            session.rows_unknown()

    async def run_ticks(self) -> None:
        """Conflated feeds at their own pace, until cancelled."""
        settings, next_auction = self.settings, 0.0
        loop = asyncio.get_running_loop()
        while True:
            await self.env.sleep(settings.feed_tick_seconds)
            self.turn += 1
            try:
                self.hub.tick()
                if loop.time() >= next_auction:
                    next_auction = loop.time() + settings.auction_tick_seconds
                    self.hub.auction.tick(self.env.now_ns())
                for session in list(self.behind):
                    session.catch_up()
            except Exception:
                self.fault("tick")

    async def run_sales_ticks(self) -> None:
        """The sales feeds, which many watch, at a pace of their own."""
        while True:
            await self.env.sleep(self.settings.sales_tick_seconds)
            try:
                self.hub.sales.tick()
            except Exception:
                self.fault("sales tick")

    def fault(self, where: str) -> None:
        """A bug outside the engine: counted and logged, the venue goes on."""
        self.metrics.faults.labels(where).inc()
        log.exception("fault in %s", where)

    # Commands

    def submit(self, batch: Batch, reply: Callable[[Outcome], None]) -> None:
        """Raises Problem: not_ready, storage_low, busy."""
        if not self.ready or self.sequencer is None:
            raise not_ready()
        if self.storage.low and grows(batch.rows["kind"]):
            raise storage_low()
        try:
            self.sequencer.submit(batch, reply)
        except Stopped:
            raise not_ready() from None
        except Busy:
            raise busy() from None

    async def outcome(self, batch: Batch) -> Outcome:
        """Submit and wait: durable and applied. Raises Problem: not_ready, storage_low, busy, storage_failed."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def reply(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self.submit(batch, reply)
        outcome = await future
        if outcome.status != "applied":
            raise storage_failed()
        return outcome

    async def reach(self, seq: int, seconds: float) -> None:
        """Wait until command `seq` is applied. Raises Problem("behind") after `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.machine.seq < seq:
            if asyncio.get_running_loop().time() >= deadline:
                raise Problem("behind", f"The venue is at {self.machine.seq}, not yet at {seq}.", retry_after_ms=1000)
            await self.env.sleep(MIN_SEQ_POLL_SECONDS)

    async def in_thread(self, question: Callable[[], T]) -> T:
        """A blocking question in a thread of its own kind. Raises Problem("busy") when too many wait."""
        if self._asked >= HISTORY_QUESTIONS_MAX:
            raise busy(retry_after_ms=500)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, question)
        finally:
            self._asked -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        self.vault.close()

    # Connections

    def admit(self, session: Session) -> int:
        """Its connection number. Raises Problem("too_many_connections")."""
        if len(self.sessions) >= self.settings.connections_max:
            raise Problem("too_many_connections", "The venue holds no more connections.")
        self._last_number += 1
        self.sessions[self._last_number] = session
        self.metrics.connections.set(len(self.sessions))
        return self._last_number

    def admit_key(self, caller: Caller) -> None:
        """Raises Problem("too_many_connections") when the key has as many as it may."""
        if self.per_key[caller.key_hash] >= self.settings.connections_per_key_max:
            limit = self.settings.connections_per_key_max
            raise Problem("too_many_connections", f"One key has at most {limit} connections.")
        self.per_key[caller.key_hash] += 1

    def dismiss(self, session: Session) -> None:
        self.sessions.pop(session.number, None)
        self.behind.discard(session)
        if session.caller is not None:
            self.per_key[session.caller.key_hash] -= 1
            if not self.per_key[session.caller.key_hash]:
                del self.per_key[session.caller.key_hash]
        self.metrics.connections.set(len(self.sessions))


def not_ready() -> Problem:
    return Problem("not_ready", "The venue takes no orders now.", headers={"Retry-After": "1"}, retry_after_ms=1000)
