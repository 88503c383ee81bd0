"""The venue as a whole: log, engine, sequencer, scheduler, sockets and child processes, from start to orderly end.

open the log -> load kernels -> snapshot, log after it -> RESUME -> genesis, once -> sockets -> "takes orders"
SIGTERM: refuse -> decide what waits -> goodbye to sockets -> follower, sink, log
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from engine.codes import EventKind, Reason
from engine.limits import FILE_HANDLES_MIN, STORAGE_LOOK_SECONDS
from engine.log.files import Locked
from engine.log.interface import LogFailed
from engine.log.local import LocalLog
from engine.log.record import Record
from engine.log.replay import replay
from engine.messages.batch import Batch
from gateway import follower, sink, warm
from gateway.app import application, close_sockets
from gateway.child import EXIT_TROUBLE
from gateway.config import Config, ConfigError, default_path, genesis, load
from gateway.config_store import in_force, keep, kept, kept_path
from gateway.door import Door
from gateway.env import EXIT_DIGEST, EXIT_LOG, Env
from gateway.forms import time_text
from gateway.front import Front
from gateway.queries import History
from gateway.replaying import (
    LOG_FOLDER,
    PROJECTION_FILE,
    SERVE_STATUS_FILE,
    SNAPSHOT_FOLDER,
    Folding,
    NoWayBack,
    compiled_books,
    stand,
)
from gateway.scheduler import Scheduler
from gateway.sequencer import Fatal, Outcome, Sequencer, Stopped
from gateway.settings import Settings
from gateway.solver.serving import Solving
from gateway.status_file import StatusFile
from gateway.upgrade import upgrade

log = logging.getLogger("qhatu.venue")
PROGRESS_SECONDS = 1.0
RESUME_POLL_SECONDS = 0.001
CHILD_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
CHILD_STEADY_SECONDS = 60.0  # after so long the back-off begins anew
CHILD_END_SECONDS = 5.0
FOLLOWER, SINK = "follower", "sqlite sink"  # children, in the order of their end: what one still writes, the next takes
KEY_CHECK_SECONDS = 0.5
# Of the three generations of Python's collector. By its own (700, 10, 10) every few thousand objects of a large sale's
# state are walked again and again: 500 bids/s were told in 23 ms at p99, 80 at worst; with these in 3 and 15.
GC_THRESHOLDS = (50_000, 20, 1_000)


class StartRefused(Exception):
    """The venue cannot start here; the message says why."""


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(f"qhatu: {text}", file=sys.stderr, flush=True)


class Venue:
    """`start`, then `url` is served until `stop`. Everything that waits hangs on one event loop."""

    def __init__(self, settings: Settings, env: Env, config: Config | None = None) -> None:
        self.settings, self.env, self.config = settings, env, config
        self.url = ""
        self.stopped = asyncio.Event()
        self.status = StatusFile(settings.data / SERVE_STATUS_FILE)
        self._tasks: list[asyncio.Task[Any]] = []
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Until orders are taken. Raises StartRefused, Fatal, and what opening and replaying the log raise."""
        try:
            await self._start()
        except (Locked, Fatal):
            raise  # the status is another process's, or told already
        except Exception as error:
            self._tell_status("not_started", f"{type(error).__name__}: {error}")
            raise

    async def _start(self) -> None:
        settings = self.settings
        self.log = LocalLog.open(self.env.files, settings.data / LOG_FOLDER, segment_bytes=settings.segment_bytes)
        try:
            self._tell_status("starting")
            for note in self.log.notes:
                say(note)
            _warm()
            self._stand()
            self.history = History(settings.data / PROJECTION_FILE) if settings.follower else None
            self.env.anchor(self.log.tail.ts_ns)
            self.front = Front(settings, self.env, self.machine, self.history, self.log.tail.epoch + 1)
            self.front.hub.trades.fold = self._trades
            self.front.storage.on_change = self._storage_changed
            self.front.storage.look()
            self.sequencer = Sequencer(
                self.env,
                self.log,
                self.machine,
                self.front.on_record,
                on_failed=self._on_failed,
                has_room=self.front.storage.has_room,
            )
            self.front.attach(self.sequencer)
            self._loop_task = self._task(self.sequencer.run(), "sequencer")
            await self._resumed()
            self.config = await self._configured()
            await self._open_sockets()
            if self.sequencer.fatal is not None:  # meanwhile, with nobody there to be told
                raise self.sequencer.fatal
        except BaseException:
            await self._give_up()
            raise
        self._task(self.front.run_ticks(), "feeds")
        self._task(self.front.run_sales_ticks(), "sales feeds")
        self._task(self._watch_storage(), "storage")
        self._task(self._check_keys(), "keys")
        if settings.follower:
            data = settings.data
            often = [f"--snapshot-commands={settings.snapshot_commands}"]
            often += [f"--snapshot-seconds={settings.snapshot_seconds}"]
            self._task(self._keep_child(FOLLOWER, lambda: follower.spawn(data, *often), self._follower_ended), FOLLOWER)
            self._task(self._keep_child(SINK, lambda: sink.spawn("sqlite", data)), SINK)
        if self.config is not None:
            scheduler = Scheduler(self.env, self.sequencer, self.machine, self.config)
            self._task(scheduler.run(), "scheduler")
        self.solving = Solving(self.front)
        self._task(self.solving.run(), "solver")
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self.front.ready = True
        self._tell_serving()

    async def stop(self) -> None:
        """Refuse what is new, decide what waits, say goodbye, end the children, close the log. Raises LogFailed, Fatal
        when the log failed meanwhile."""
        front = self.front
        front.ready, front.closing = False, True
        if self._server is not None:
            self._server.close()
        await self.sequencer.stop()
        await asyncio.sleep(0)  # answers leave first
        close_sockets(front)
        await self._end_tasks()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._end_children()
        front.close()
        fatal = self.sequencer.fatal
        if fatal is None:
            self._tell_status("stopped")
        self.log.close()
        if fatal is not None:
            raise fatal

    # Starting

    def _stand(self) -> None:
        """The state at the end of the log: from a snapshot and the log after it."""
        folder, started = self.settings.data / SNAPSHOT_FOLDER, time.monotonic()
        try:
            for note in upgrade(self.env.files, self.settings.data, self.log, compiled_books):
                say(note)
            standing = stand(self.env.files, folder, self.log, compiled_books)
        except NoWayBack as error:
            raise StartRefused(str(error)) from error
        for note in standing.notes:
            say(note)
        from_seq = standing.machine.seq
        if standing.number:
            say(f"snapshot of command {from_seq:,} loaded in {time.monotonic() - started:.1f} s")
        started = said = time.monotonic()
        end = self.log.tail.next_seq - 1

        def progress(record: Record) -> None:
            nonlocal said
            now = time.monotonic()
            if now - said >= PROGRESS_SECONDS:
                said = now
                done = record.next_seq - 1 - from_seq
                say(f"replaying the log: {done:,} of {end - from_seq:,} commands, {now - started:.0f} s")

        if replay(self.log, Folding(standing), after=standing.tail, progress=progress):
            say(f"replayed {end - from_seq:,} commands in {time.monotonic() - started:.1f} s")
        self.machine, self._trades = standing.machine, standing.trades

    async def _resumed(self) -> None:
        """Until RESUME is applied: before it, nothing that the engine tells is of today."""
        while not self.sequencer.records:
            if self._loop_task.done():
                await self._loop_task
            await self.env.sleep(RESUME_POLL_SECONDS)

    async def _configured(self) -> Config | None:
        """The configuration in force, after a new venue's became its first commands."""
        data, digest = self.settings.data, self.machine.venue.config_digest
        if digest:
            if self.config is not None:
                config, warning = in_force(self.config, data, digest)
                if warning:
                    say(warning)
                return config
            stored = kept(data, digest)
            if stored is None:
                raise ConfigError(kept_path(data, digest), "", "the configuration that the log runs on is missing")
            return stored
        config = self.config if self.config is not None else load(default_path("default"))
        keep(config, data)
        for batch in genesis(config):
            await self._genesis(batch)
        return config

    async def _genesis(self, batch: Batch) -> None:
        """One batch of the first commands. What exists already (an interrupted genesis) is as good."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        with contextlib.suppress(Stopped):
            self.sequencer.submit(batch, done.set_result)
        await asyncio.wait([done, self._loop_task], return_when=asyncio.FIRST_COMPLETED)
        if not done.done() or done.result().status != "applied":
            await self._loop_task
        events = done.result().events
        refused = events[(events["kind"] == EventKind.REJECTED) & (events["reason"] != Reason.ALREADY_EXISTS)]
        if len(refused):
            seq, reason = done.result().first_seq + int(refused[0]["command"]), Reason(int(refused[0]["reason"]))
            raise StartRefused(f"the configuration's command {seq} was refused: {reason.name.lower()}")

    async def _open_sockets(self) -> None:
        self._runner = web.AppRunner(application(self.front), access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        assert self._runner.server is not None
        door = Door(self._runner.server, self.settings)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(door, self.settings.host, self.settings.port, backlog=1_024)
        except OSError as error:
            raise StartRefused(f"cannot listen on {self.settings.host} port {self.settings.port}: {error}") from error
        port = self._server.sockets[0].getsockname()[1]
        host = "127.0.0.1" if self.settings.host in ("0.0.0.0", "::") else self.settings.host
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def _give_up(self) -> None:
        await self._end_tasks()
        if self._runner is not None:
            await self._runner.cleanup()
        with contextlib.suppress(LogFailed):  # the first trouble is the one that is told
            self.log.close()

    # Telling how it stands

    def _tell_status(self, state: str, why: str | None = None) -> None:
        seq = self.machine.seq if hasattr(self, "machine") else None
        self.status.write(state=state, pid=os.getpid(), seq=seq, at=time_text(self.env.now_ns()), why=why)

    def _tell_serving(self) -> None:
        storage = self.front.storage
        self._tell_status("storage_low" if storage.low else "serving", storage.words if storage.low else None)

    def _storage_changed(self) -> None:
        self.front.hub.status.storage(self.front.storage.low, self.env.now_ns())
        if self.front.ready:
            self._tell_serving()

    def _on_failed(self) -> None:
        """The sequencer has stopped for good. The disk may hang: nothing waits for the status."""
        fatal = self.sequencer.fatal
        assert fatal is not None
        self.front.on_failed()
        state = "storage_failed" if fatal.code == EXIT_LOG else "apply_failed"
        threading.Thread(target=self._tell_status, args=(state, str(fatal)), daemon=True).start()

    # Running

    def _task(self, work: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._task_ended)
        self._tasks.append(task)
        return task

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        """The sequencer's end is the venue's; any other task that fails is a bug, logged, and the venue goes on."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Fatal):
            log.error("task %s failed", task.get_name(), exc_info=error)
        if task.get_name() == "sequencer":
            self.front.ready = False
            self.stopped.set()

    async def _watch_storage(self) -> None:
        while True:
            await self.env.sleep(STORAGE_LOOK_SECONDS)
            self.front.storage.look()

    async def _check_keys(self) -> None:
        """Close connections whose key was revoked or has expired."""
        while True:
            await self.env.sleep(KEY_CHECK_SECONDS)
            for session in list(self.front.sessions.values()):
                session.check_key()

    async def _keep_child(
        self,
        name: str,
        spawn: Callable[[], Awaitable[asyncio.subprocess.Process]],
        ended: Callable[[int], bool] = lambda code: True,
    ) -> None:
        """Start a child process, and again when it ends, waiting longer each time, as long as `ended` says yes to its
        exit code."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                self._children[name] = process = await spawn()
                code = await process.wait()
            except OSError as error:  # no process, no file handle
                log.warning("the %s could not be started: %s", name, error)
                code = EXIT_TROUBLE
            if not ended(code):
                return
            failures = 0 if time.monotonic() - started > CHILD_STEADY_SECONDS else failures + 1
            wait = CHILD_BACKOFF_SECONDS[min(failures, len(CHILD_BACKOFF_SECONDS)) - 1 if failures else 0]
            log.warning("the %s ended with code %s; starting it again in %s s", name, code, wait)
            await self.env.sleep(wait)

    def _follower_ended(self, code: int) -> bool:
        """Whether to start it again. Other events than this process's stop the venue."""
        if code == follower.EXIT_DIGEST:
            self.front.ready = False
            why = "the follower came to other events than this process: see follow.status"
            self._tell_status("digest_differs", why)
            self.env.fatal(EXIT_DIGEST, why)
        elif code == follower.EXIT_LOG:
            log.error("the follower found the log damaged; trading goes on, history does not")
        return code not in (follower.EXIT_DIGEST, follower.EXIT_LOG)

    # Ending

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end_children(self) -> None:
        for child in [self._children[name] for name in (FOLLOWER, SINK) if name in self._children]:
            if child.returncode is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            try:
                await asyncio.wait_for(child.wait(), CHILD_END_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()


def run(settings: Settings, config: Config | None = None, *, announce: Callable[[str], None] = print) -> int:
    """`run_venue` on this machine, in an event loop of its own. Raises what `Venue.start` raises."""
    import uvloop

    from gateway.env import RealEnv

    _check_handles()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run_venue(settings, RealEnv(), config, announce=announce))


def _check_handles() -> None:
    """An event loop that finds none half way through its making cannot say so in a line."""
    handles: list[int] = []
    try:
        while len(handles) < FILE_HANDLES_MIN:
            handles.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        why = f"the venue needs {FILE_HANDLES_MIN} file handles at its start and gets {len(handles)}: {error.strerror}"
        raise StartRefused(why) from error
    finally:
        for handle in handles:
            os.close(handle)


async def run_venue(
    settings: Settings, env: Env, config: Config | None = None, *, announce: Callable[[str], None] = print
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. `announce` gets the URL once orders are taken."""
    loop = asyncio.get_running_loop()
    venue = Venue(settings, env, config)
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    try:
        await venue.start()
    except Fatal as fatal:
        return await _ended(venue, fatal.code)
    announce(venue.url)
    waits = [loop.create_task(asked.wait()), loop.create_task(venue.stopped.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if venue.stopped.is_set():
        return await _ended(venue, venue.sequencer.fatal.code if venue.sequencer.fatal else 1)
    say("stopping")
    try:
        await venue.stop()
    except Fatal as fatal:
        return await _ended(venue, fatal.code)
    except LogFailed as error:
        say(f"storage_failed: {error}; what was acknowledged is durable")
        return EXIT_LOG
    for wait in waits:
        wait.cancel()
    return 0


async def _ended(venue: Venue, code: int) -> int:
    """`env.fatal` ends the process meanwhile."""
    await asyncio.sleep(venue.settings.shutdown_seconds_max)
    return code


def _warm() -> None:
    if warm.is_cold():
        started = time.monotonic()
        say("compiling kernels (first start only)...")
        warm.warm()
        say(f"kernels compiled in {time.monotonic() - started:.0f} s")
    else:
        warm.warm()
