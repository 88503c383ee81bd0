"""The second process: it follows the log, checks the venue's events against its own, and writes them down for sinks.

    python -m gateway.follower --data DIR [--parent-pid N]

It starts from zero each time, replays the log through an engine of its own and writes the event segments that are not
there yet. Segments that do not belong to the log are thrown away and made anew. Exit codes, and what a parent does
about them:

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
import sys
from pathlib import Path

from gateway import child
from gateway.child import EXIT_APPLY, EXIT_DIGEST, EXIT_ENDED, EXIT_LOG, EXIT_TROUBLE, Child
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, STATUS_FILE


def command(data: Path, parent_pid: int) -> list[str]:
    """The follower's command line."""
    return child.command("gateway.follower", data, parent_pid)


async def spawn(data: Path) -> asyncio.subprocess.Process:
    """See `child.spawn`."""
    return await child.spawn(command(Path(data).resolve(), os.getpid()))


def main(argv: list[str] | None = None) -> int:
    given = child.arguments("gateway.follower", "Follow a venue's log into event segments.").parse_args(argv)

    from gateway.cli import use_kernel_cache

    use_kernel_cache()
    child.stand_back()
    return Process(given.data, given.parent_pid).run()


class Process(Child):
    """Opens what `Following` needs, and turns every end of it into an exit code."""

    def __init__(self, data: Path, parent_pid: int | None) -> None:
        super().__init__("follower", data / STATUS_FILE, parent_pid)
        self.data = data

    def run(self) -> int:
        """Follow until asked to end; every failure becomes a line on stderr, a status and an exit code."""
        from engine.log.events import EventsCorrupt, EventsDiffer, remove_events
        from engine.log.files import RealFiles
        from engine.log.interface import LogCorrupt
        from engine.log.replay import DigestDiffers
        from gateway.following import ApplyFailed

        self.handle_signals()
        anew = False
        while True:
            try:
                self._follow()
                return EXIT_ENDED
            except (EventsDiffer, EventsCorrupt) as error:
                if anew:
                    return self.stopped(EXIT_TROUBLE, "failed", error)
                anew = True
                self.say(f"{error}; making the events anew from the log")
                try:
                    remove_events(RealFiles(), self.data / EVENTS_FOLDER)
                except OSError as trouble:
                    return self.stopped(EXIT_TROUBLE, "failed", trouble)
            except DigestDiffers as error:
                return self.stopped(EXIT_DIGEST, "digest_differs", error, seq=error.applied_seq)
            except LogCorrupt as error:
                return self.stopped(EXIT_LOG, "log_corrupt", error)
            except ApplyFailed as error:
                return self.stopped(EXIT_APPLY, "apply_failed", error)
            except Exception as error:
                return self.stopped(EXIT_TROUBLE, "failed", error)

    def _follow(self) -> None:
        from engine.log.event_writer import EventWriter
        from engine.log.events import EventsDiffer
        from engine.log.files import RealFiles
        from engine.log.follow import LogReader
        from engine.log.local import LocalLog
        from engine.machine import Machine
        from gateway.following import Following
        from gateway.replaying import compiled_books

        files, folder = RealFiles(), self.data / LOG_FOLDER
        log = LocalLog.open(files, folder, writable=False)  # SKIPs of the whole log, before anything is applied
        with contextlib.closing(LogReader(files, folder)) as reader:
            events = EventWriter(files, self.data / EVENTS_FOLDER)
            for note in events.notes:
                self.say(note)
            try:
                if events.end.number >= log.tail.next_number:
                    raise EventsDiffer(f"the events go on to record {events.end.number}, the log ends before it")
                self.loop(Following(reader, Machine(compiled_books(), log.skips), events))
            except BaseException:
                with contextlib.suppress(OSError):  # the first trouble is the one that is told
                    events.close()
                raise
            events.close()


if __name__ == "__main__":
    sys.exit(main())
