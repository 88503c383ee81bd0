"""The second process: it follows the log, checks the venue's events against its own, and writes them down for sinks.

    python -m gateway.follower --data DIR [--parent-pid N]

It begins on the newest snapshot that the event segments reach up to, applies the log after it with an engine of its
own, writes the event segments that are not there yet, takes snapshots (SIGUSR1 asks for one at once) and archives the
log before them. Event segments that do not belong to the log are thrown away and made anew. Exit codes, and what a
parent does about them:

    0  asked to end (SIGTERM), or the parent is gone
    1  trouble of its own (disk): start it again, waiting longer each time; trading goes on
    2  wrong arguments
    3  its events differ from the venue's: stop the venue; stderr and DIR/follow.status name the command sequence
    4  the log is damaged: starting again does not help; look at the log before the next restart
    5  an exception came out of the engine: as the venue's own code 5

DIR/follow.status is a JSON object, replaced as a whole: `state` (catching_up, following, ended, or what stopped it),
`pid`, `number` and `seq` of the record and command applied last, `as_of` (its time), `why`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from engine.limits import SNAPSHOT_EVERY_COMMANDS, SNAPSHOT_EVERY_SECONDS
from gateway import child
from gateway.child import EXIT_APPLY, EXIT_DIGEST, EXIT_ENDED, EXIT_LOG, EXIT_TROUBLE, Child
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, SNAPSHOT_FOLDER, STATUS_FILE


def command(data: Path, parent_pid: int, *options: str) -> list[str]:
    """The follower's command line."""
    return child.command("gateway.follower", data, parent_pid, *options)


async def spawn(data: Path, *options: str) -> asyncio.subprocess.Process:
    """See `child.spawn`."""
    return await child.spawn(command(Path(data).resolve(), os.getpid(), *options))


def main(argv: list[str] | None = None) -> int:
    parser = child.arguments("gateway.follower", "Follow a venue's log into event segments and snapshots.")
    parser.add_argument("--snapshot-commands", type=int, default=SNAPSHOT_EVERY_COMMANDS, help="between two snapshots")
    parser.add_argument("--snapshot-seconds", type=float, default=SNAPSHOT_EVERY_SECONDS, help="between two snapshots")
    given = parser.parse_args(argv)
    if child.orphaned(given.parent_pid):
        return EXIT_ENDED

    from gateway.cli import use_kernel_cache

    use_kernel_cache()
    child.stand_back()
    return Process(given.data, given.parent_pid, given.snapshot_commands, given.snapshot_seconds).run()


class Process(Child):
    """Opens what `Following` needs, and turns every end of it into an exit code."""

    def __init__(self, data: Path, parent_pid: int | None, every_commands: int, every_seconds: float) -> None:
        super().__init__("follower", data / STATUS_FILE, parent_pid)
        self.data, self.every_commands, self.every_seconds = data, every_commands, every_seconds

    def run(self) -> int:
        """Follow until asked to end; every failure becomes a line on stderr, a status and an exit code."""
        from engine.log.events import EventsCorrupt, EventsDiffer
        from engine.log.interface import LogCorrupt
        from engine.log.replay import DigestDiffers
        from gateway.following import ApplyFailed

        self.handle_signals()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until there is something to take a snapshot of
        anew = False
        while True:
            try:
                self._follow()
                return EXIT_ENDED
            except (EventsDiffer, EventsCorrupt) as error:
                if anew:
                    return self.stopped(EXIT_TROUBLE, "failed", error)
                anew = True
                try:
                    if why := self._remade():
                        error.add_note(why)
                        return self.stopped(EXIT_TROUBLE, "failed", error)
                except (OSError, LogCorrupt) as trouble:
                    return self.stopped(EXIT_TROUBLE, "failed", trouble)
                self.say(f"{error}; making the events anew from the log")
            except DigestDiffers as error:
                return self.stopped(EXIT_DIGEST, "digest_differs", error, seq=error.applied_seq)
            except LogCorrupt as error:
                return self.stopped(EXIT_LOG, "log_corrupt", error)
            except ApplyFailed as error:
                return self.stopped(EXIT_APPLY, "apply_failed", error)
            except Exception as error:
                return self.stopped(EXIT_TROUBLE, "failed", error)

    def _follow(self) -> None:
        from engine.codes import GENERATION
        from engine.log.event_writer import EventWriter
        from engine.log.events import EventEnd, EventsDiffer
        from engine.log.files import RealFiles
        from engine.log.follow import LogReader
        from engine.log.local import LocalLog
        from gateway.following import Following
        from gateway.replaying import compiled_books, first_generation, stand
        from gateway.snapshots import Keeper

        files, folder = RealFiles(), self.data / LOG_FOLDER
        log = LocalLog.open(files, folder, writable=False)  # SKIPs, before anything is applied
        events = EventWriter(files, self.data / EVENTS_FOLDER)
        for note in events.notes:
            self.say(note)
        try:
            if events.end.number >= log.tail.next_number:
                raise EventsDiffer(f"the events go on to record {events.end.number}, the log ends before it")
            snapshots = self.data / SNAPSHOT_FOLDER
            if events.end.seq or first_generation(log) in (None, 0, GENERATION):
                standing = stand(files, snapshots, log, compiled_books, seq_max=events.end.seq)
            else:  # a release that kept no events wrote the older generation
                standing = stand(files, snapshots, log, compiled_books, whole=True)
                machine = standing.machine
                events.begin_after(EventEnd(standing.number, machine.seq, machine.event_digest))
                self.say(f"there are no events of older generations; they begin after command {machine.seq:,}")
            for note in standing.notes:
                self.say(note)
            keeper = Keeper(files, self.data, every_commands=self.every_commands, every_seconds=self.every_seconds)
            keeper.stands_on(standing.machine.seq)
            signal.signal(signal.SIGUSR1, lambda signum, frame: keeper.ask())
            with contextlib.closing(LogReader(files, folder, tail=standing.tail)) as reader:
                following = Following(reader, standing, events, keeper)
                following.says = self.say
                self.loop(following)
        except BaseException:
            with contextlib.suppress(OSError):  # the first trouble is the one that is told
                events.close()
            raise
        events.close()

    def _remade(self) -> str | None:
        """Throw the events away, to be made anew from the log. Why that cannot be, where the log no longer gives them;
        then they are left as they are."""
        from engine.codes import GENERATION
        from engine.log.events import remove_events
        from engine.log.files import RealFiles
        from engine.log.local import LocalLog
        from gateway.replaying import first_generation

        files = RealFiles()
        first = first_generation(LocalLog.open(files, self.data / LOG_FOLDER, writable=False))
        if first is None:
            return "and the log no longer reaches back to its beginning, to make them anew: see `qhatu doctor`"
        if first not in (0, GENERATION):
            return f"and the log begins in generation {first}: only the release that wrote it could make them anew"
        remove_events(files, self.data / EVENTS_FOLDER)
        return None


if __name__ == "__main__":
    sys.exit(main())
