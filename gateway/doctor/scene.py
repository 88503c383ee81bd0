"""A data directory as it was found: each part is looked at once, when the first check asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from engine.limits import STORAGE_LOW_BYTES
from engine.log.archive import content, is_packed, list_all, read_packed
from engine.log.event_reader import EventReader
from engine.log.events import EventEnd, EventsCorrupt
from engine.log.events import list_segments as list_events
from engine.log.files import RealFiles
from engine.log.interface import LogCorrupt, LogFailed, Tail
from engine.log.local import LOCK
from engine.log.record import Record
from engine.log.replay import DigestDiffers
from engine.log.segments import Walk, check_segment_header
from engine.log.snapshot import BadSnapshot, Snapshot, list_snapshots, read_snapshot, snapshot_name
from gateway.config import MIB, Config
from gateway.config_store import kept
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, SNAPSHOT_FOLDER
from gateway.replaying import NoWayBack, Rebuilt, rebuild

LOOKS = 3  # at what moves while a venue runs
_IN_HAND = re.compile(r"while applying commands? (\d+)(?: to (\d+))?")


class Segment(NamedTuple):
    """One segment of the log after a walk over it. `trouble`: why what stands at `tail` cannot be read."""

    path: Path
    begins: Tail | None  # None: its header cannot be read
    tail: Tail  # after its last whole record
    last: Record | None
    trouble: LogCorrupt | None = None
    torn: LogCorrupt | None = None  # what follows the last record was never acknowledged

    @property
    def packed(self) -> bool:
        return is_packed(self.path)


class Start(NamedTuple):
    """What a start comes to: the state, or why there is none."""

    rebuilt: Rebuilt | None
    error: Exception | None = None
    in_hand: tuple[int, int] | None = None  # commands among which the one is that stopped the engine


class Events(NamedTuple):
    end: EventEnd
    segments: int
    trouble: EventsCorrupt | ValueError | None = None


class Scene:
    def __init__(self, data: Path) -> None:
        self.data, self.files = Path(data), RealFiles()
        self.log_folder, self.snapshot_folder = self.data / LOG_FOLDER, self.data / SNAPSHOT_FOLDER
        self.events_folder = self.data / EVENTS_FOLDER

    @cached_property
    def live(self) -> bool:
        """A process holds the log's lock."""
        return self.files.locked(self.log_folder / LOCK)

    @cached_property
    def holder(self) -> int | None:
        """Its pid, as it wrote it down."""
        try:
            text = (self.log_folder / LOCK).read_text("ascii", "replace").strip()
        except OSError:
            return None
        return int(text) if text.isdigit() else None

    @cached_property
    def segments(self) -> list[Segment]:
        """Every segment of log and archive, walked."""
        live = self.live
        for look in range(LOOKS):
            try:
                found = list(self._walked(live))
            except FileNotFoundError:
                if look == LOOKS - 1:
                    raise
                continue
            if not live or not any(segment.trouble for segment in found):
                break  # what looks damaged while it is being written may look whole at the next look
        return found

    def _walked(self, live: bool) -> Iterator[Segment]:
        places = list_all(self.files, self.log_folder)
        for at, (number, path) in enumerate(places):
            following = places[at + 1][0] if at + 1 < len(places) else None
            try:
                raw = read_packed(self.files, path) if is_packed(path) else content(self.files, path)
                begins = check_segment_header(raw, path, 0).tail
            except LogCorrupt as trouble:
                yield Segment(path, None, Tail(next_number=number), None, trouble)
                continue
            walk, last = Walk(path.name, raw, begins, 0), None
            try:
                for record in walk:
                    last = record
            except LogCorrupt as trouble:
                yield Segment(path, begins, walk.tail, last, trouble)
                continue
            yield Segment(path, begins, walk.tail, last, *_what_follows(walk, following, live))

    @property
    def last(self) -> Record | None:
        """Of the log, as far as it can be read."""
        return next((segment.last for segment in reversed(self.segments) if segment.last), None)

    @property
    def end(self) -> Tail:
        return self.segments[-1].tail if self.segments else Tail()

    @cached_property
    def snapshots(self) -> dict[int, Snapshot | BadSnapshot | OSError]:
        """By record, newest first; what is wrong with it in place of one that cannot be used."""
        found: dict[int, Snapshot | BadSnapshot | OSError] = {}
        for number in list_snapshots(self.files, self.snapshot_folder):
            try:
                found[number] = read_snapshot(self.files, self.snapshot_folder / snapshot_name(number))
                found[number].sections.clear()  # type: ignore[union-attr]
            except FileNotFoundError:
                continue  # pruned meanwhile
            except (BadSnapshot, OSError) as error:
                found[number] = error
        return found

    @cached_property
    def start(self) -> Start:
        """The state as the next start would rebuild it."""
        try:
            return Start(rebuild(self.data))
        except (LogCorrupt, LogFailed, DigestDiffers, NoWayBack, OSError, ValueError) as error:
            return Start(None, error)
        except Exception as error:  # out of the engine
            told = _IN_HAND.search(" ".join(getattr(error, "__notes__", ())))
            span = (int(told[1]), int(told[2] or told[1])) if told else None
            return Start(None, error, span)

    @cached_property
    def config(self) -> Config | None:
        """The one in force."""
        rebuilt = self.start.rebuilt
        return kept(self.data, rebuilt.machine.venue.config_digest) if rebuilt else None

    @property
    def storage_low_bytes(self) -> int:
        return self.config.server.storage_low_mib * MIB if self.config else STORAGE_LOW_BYTES

    @cached_property
    def events(self) -> Events:
        """Every frame of the event segments, walked."""
        segments = list_events(self.files, self.events_folder)
        if not segments:
            return Events(EventEnd(), 0)
        reader = EventReader(self.files, self.events_folder, segments[0][0] - 1)
        try:
            while reader.poll():
                pass
        except (EventsCorrupt, ValueError) as error:
            return Events(reader.end, len(segments), error)
        finally:
            reader.close()
        return Events(reader.end, len(segments))


def _what_follows(walk: Walk, following: int | None, live: bool) -> tuple[LogCorrupt | None, LogCorrupt | None]:
    """(damage, torn end) after the last whole record of a segment."""

    def told(why: str) -> LogCorrupt:
        return LogCorrupt(walk.name, walk.at, walk.tail.next_seq, why)

    if following is not None:
        if walk.tail.next_number == following or walk.clean():
            return None, None  # or a gap between the two
        return told(f"{walk.trouble}; the segment of record {following} after it says that it was durable"), None
    if walk.clean():
        return None, None
    if witness := walk.witness():
        return told(f"{walk.trouble}; record {witness.number} after it says that it was durable"), None
    return None, None if live else told(str(walk.trouble))
