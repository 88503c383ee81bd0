"""A backup: a consistent copy of a venue's data, taken while the venue may be running, and checked before it counts.

    TARGET/log/  log/archive/  snapshots/  events/  config/  [sealed.keys]  [projection.sqlite]  manifest.json

What is derived is copied before what it is derived from (tables, snapshots, events, log), so nothing in the copy is
ahead of its log. The log ends with the last whole record that was there when it was copied: everything acknowledged
before the backup began is in it. A plain segment is kept up to its last record; `restore` gives it its length again.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.log.archive import FOLDER as ARCHIVE_FOLDER
from engine.log.archive import content, is_packed, list_all, read_packed
from engine.log.event_reader import EventReader
from engine.log.event_writer import EventWriter
from engine.log.events import EventsCorrupt
from engine.log.events import list_segments as list_events
from engine.log.files import Files, RealFiles
from engine.log.interface import LogCorrupt, Tail
from engine.log.local import LOCK, LocalLog
from engine.log.record import Record
from engine.log.segments import SegmentHeader, Walk, check_segment_header
from engine.log.snapshot import BadSnapshot, list_snapshots, read_snapshot, snapshot_name
from gateway.config_store import FOLDER as CONFIG_FOLDER
from gateway.forms import time_text
from gateway.offline import Refused
from gateway.places import EVENTS_FOLDER, LOG_FOLDER, PROJECTION_FILE, SNAPSHOT_FOLDER, VAULT_FILE
from gateway.replaying import NoVenue, Rebuilt, rebuild
from gateway.staging import HASH_BYTES, Copied, check_free, copy_file, read_back, staged, write_file
from gateway.vault import VaultCorrupt, decoded

MANIFEST = "manifest.json"
FORMAT = "qhatu-backup"
VERSION = 1
LOOKS_MAX = 5  # at files that move while they are copied


class Kept(msgspec.Struct, frozen=True):
    """One file of a backup."""

    path: str  # below the backup's directory
    bytes: int
    blake2b: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds, and the state that must come out of it. Nothing in it is secret."""

    format: str
    version: int
    qhatu: str  # release that made it
    made_at: str
    venue: str
    shard: int
    generation: int  # of the last record
    epoch: int
    number: int  # last record
    seq: int  # last command
    as_of: str  # time of the last record
    record_digest: str
    event_digest: str
    state_hash: str
    segment_bytes: int  # of the last segment
    snapshots: tuple[int, ...]  # records they stand at, newest first
    events_number: int  # record that the events go up to, 0 without any
    notes: tuple[str, ...]  # what was left out, and why
    files: tuple[Kept, ...]


class _Copy:
    """What was copied so far, and into where."""

    def __init__(self, source: Path, folder: Path, step: Callable[[str], None]) -> None:
        self.source, self.folder, self._step = source, folder, step
        self.files: dict[str, Copied] = {}
        self.notes: list[str] = []  # what was left out, and why

    def add(self, name: str) -> None:
        """Copy the file of this name as it stands. Raises OSError."""
        self._step(name)
        self.files[name] = copy_file(self.source / name, self.folder / name)

    def write(self, name: str, chunks: Iterator[bytes]) -> None:
        self._step(name)
        self.files[name] = write_file(self.folder / name, chunks)

    def note(self, name: str) -> None:
        """A file that something else wrote into the copy."""
        self._step(name)
        self.files[name] = read_back(self.folder / name)

    def drop(self, folder: str, but: Sequence[str] = ()) -> None:
        """Forget and delete what was copied under a folder: it moved on meanwhile."""
        for name in [name for name in self.files if name.startswith(f"{folder}/") and name not in but]:
            del self.files[name]
            (self.folder / name).unlink(missing_ok=True)


def back_up(
    data: Path, target: Path, *, with_history: bool = False, step: Callable[[str], None] = lambda name: None
) -> Manifest:
    """Copy `data` to the new directory `target`. `step` is called before each file (a test makes it raise).

    Raises Refused, NoVenue, LogCorrupt, OSError, and what rebuilding the state raises; then there is no `target`.
    """
    data, files = Path(data), RealFiles()
    if not (data / LOG_FOLDER).is_dir():
        raise NoVenue(f"no venue has run in {data}: there is no folder {data / LOG_FOLDER}")
    if Path(target).resolve().is_relative_to(data.resolve()):
        raise Refused(f"{target} is inside {data}: a backup belongs elsewhere, best on another disk")
    if (target / MANIFEST).is_file():
        raise Refused(f"{target} is a backup already, and none is added to: name a new directory")
    check_free(target)
    with staged(target) as folder:
        copy = _Copy(data, folder, step)
        if with_history:
            _copy_history(copy)
        snapshots = _copy_snapshots(files, copy)
        events_number = _copy_events(files, copy)
        last, segment_bytes = _copy_log(files, copy)
        _copy_configurations(copy)
        _copy_keys(copy)
        step("check")
        rebuilt = walked(folder)
        manifest = _manifest(copy, rebuilt, last, segment_bytes, snapshots, events_number)
        for kept in manifest.files:
            compare(kept, read_back(folder / kept.path))
        step(MANIFEST)
        write_file(folder / MANIFEST, iter([encode_manifest(manifest)]))
    return manifest


def walked(folder: Path) -> Rebuilt:
    """The state at the end of a data directory at rest, after walking the chain of every record that it holds.

    Raises Refused when it holds none, LogCorrupt, and what `rebuild` raises.
    """
    log = LocalLog.open(RealFiles(), folder / LOG_FOLDER, writable=False)
    for _ in log.read(first_place(log.files, folder / LOG_FOLDER)):
        pass
    return rebuild(folder)


def first_place(files: Files, directory: Path) -> Tail:
    """Where the log in `directory`, archive included, begins."""
    places = list_all(files, directory)
    if not places or places[0][0] == 1:
        return Tail()
    path = places[0][1]
    raw = read_packed(files, path) if is_packed(path) else content(files, path)
    return check_segment_header(raw, path, 0).tail


def compare(kept: Kept, found: Copied) -> None:
    """Raises Refused when a file is not the one that was copied."""
    if found.bytes != kept.bytes:
        raise Refused(f"{kept.path} is damaged: it has {found.bytes} bytes, not {kept.bytes}")
    if found.blake2b != kept.blake2b:
        raise Refused(f"{kept.path} is damaged: its hash is not the one that the manifest names")


# The manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """JSON for people, its own hash in the last member."""
    body: dict[str, Any] = msgspec.to_builtins(manifest)
    return json.dumps(body | {"blake2b": _hash(body)}, indent=1).encode() + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """Raises Refused for what is no backup, a damaged manifest, or another version's."""
    path = folder / MANIFEST
    if not path.is_file():
        raise Refused(f"{folder} is no backup: there is no {MANIFEST}")
    try:
        body = json.loads(path.read_bytes())
        told = body.pop("blake2b")
        if body["format"] != FORMAT:
            raise ValueError("it has another format")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Refused(f"{path} is damaged: {error}") from None
    if body.get("version") != VERSION:
        raise Refused(f"{path} is of version {body.get('version')}; this release reads {VERSION}")
    if told != _hash(body):
        raise Refused(f"{path} is damaged: its hash differs")
    return msgspec.convert(body, Manifest)


def _hash(body: dict[str, Any]) -> str:
    return blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=HASH_BYTES).hexdigest()


def _manifest(
    copy: _Copy, rebuilt: Rebuilt, last: Record, segment_bytes: int, snapshots: list[int], events_number: int
) -> Manifest:
    machine = rebuilt.machine
    assert machine.seq == last.next_seq - 1, "the copy ends where the source was read to"
    return Manifest(
        format=FORMAT,
        version=VERSION,
        qhatu=metadata.version("qhatu"),
        made_at=time_text(time.time_ns()),
        venue=machine.venue.name,
        shard=last.shard,
        generation=last.generation,
        epoch=last.epoch,
        number=last.number,
        seq=machine.seq,
        as_of=time_text(last.ts_ns),
        record_digest=last.digest.hex(),
        event_digest=machine.event_digest.hex(),
        state_hash=machine.state_hash().hex(),
        segment_bytes=segment_bytes,
        snapshots=tuple(snapshots),
        events_number=events_number,
        notes=tuple(copy.notes),
        files=tuple(Kept(name, *copied) for name, copied in sorted(copy.files.items())),
    )


# The parts, in this order


def _copy_history(copy: _Copy) -> None:
    """The tables, by SQLite's own copy of a file in use."""
    path, target = copy.source / PROJECTION_FILE, copy.folder / PROJECTION_FILE
    if not path.is_file():
        raise Refused(f"there is no {path}: leave out --with-history")
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target)) as made,
        ):
            source.backup(made)
            made.execute("PRAGMA journal_mode = DELETE")
            found = made.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        raise Refused(f"{path} cannot be copied: {error}; it is derived, leave out --with-history") from None
    if found != "ok":
        raise Refused(f"{path} is damaged: {found}; it is derived, leave out --with-history")
    copy.note(PROJECTION_FILE)


def _copy_snapshots(files: Files, copy: _Copy) -> list[int]:
    """Every sound snapshot, newest first; one that is pruned meanwhile is no longer wanted, a damaged one never."""
    found = []
    for number in list_snapshots(files, copy.source / SNAPSHOT_FOLDER):
        name = f"{SNAPSHOT_FOLDER}/{snapshot_name(number)}"
        try:
            copy.add(name)
            read_snapshot(files, copy.folder / name)
        except (FileNotFoundError, BadSnapshot) as error:
            if isinstance(error, BadSnapshot):
                copy.notes.append(f"{error}; it is left out")
            copy.files.pop(name, None)
            (copy.folder / name).unlink(missing_ok=True)
            continue
        found.append(number)
    return found


def _copy_events(files: Files, copy: _Copy) -> int:
    """Record that the events go up to, 0 without any. Damaged ones are left out: the log gives them again."""
    folder = copy.folder / EVENTS_FOLDER
    for _ in range(LOOKS_MAX):
        names = [f"{EVENTS_FOLDER}/{path.name}" for _, path in list_events(files, copy.source / EVENTS_FOLDER)]
        if not names:
            return 0
        try:
            for name in names:
                copy.add(name)
            EventWriter(files, folder).close()  # cuts a frame that was being written
            end = _end_of_events(files, folder)
        except FileNotFoundError:  # a segment was compressed meanwhile
            copy.drop(EVENTS_FOLDER)
            continue
        except (EventsCorrupt, ValueError) as error:
            copy.drop(EVENTS_FOLDER)
            copy.notes.append(f"{error}; events are left out")
            return 0
        copy.drop(EVENTS_FOLDER, but=[f"{EVENTS_FOLDER}/{path.name}" for _, path in list_events(files, folder)])
        copy.note(max(name for name in copy.files if name.startswith(f"{EVENTS_FOLDER}/")))
        return end
    raise Refused("the events moved on faster than they could be copied: try again")


def _end_of_events(files: Files, folder: Path) -> int:
    """Record of the last frame, after walking all of them."""
    reader = EventReader(files, folder, list_events(files, folder)[0][0] - 1)
    try:
        while reader.poll():
            pass
        return reader.end.number
    finally:
        reader.close()


def _copy_configurations(copy: _Copy) -> None:
    for path in sorted((copy.source / CONFIG_FOLDER).glob("*.json")):
        copy.add(f"{CONFIG_FOLDER}/{path.name}")


def _copy_keys(copy: _Copy) -> None:
    """After the log: a key is durable before its bid is, so each bid that was copied has its key here. A record that
    was being written belongs to none of them."""
    if not (copy.source / VAULT_FILE).is_file():
        return
    copy.add(VAULT_FILE)
    try:
        decoded((copy.folder / VAULT_FILE).read_bytes(), copy.source / VAULT_FILE)
    except VaultCorrupt as error:
        copy.notes.append(f"{error}; it is copied as it is")


def _copy_log(files: Files, copy: _Copy) -> tuple[Record, int]:
    """The last record copied, and the length of the last segment."""
    for _ in range(LOOKS_MAX):
        try:
            return _copied_log(files, copy)
        except FileNotFoundError:  # a segment was archived meanwhile
            copy.drop(LOG_FOLDER)
    raise Refused("the log moved on faster than it could be copied: try again")


def _copied_log(files: Files, copy: _Copy) -> tuple[Record, int]:
    places = list_all(files, copy.source / LOG_FOLDER)
    last, segment_bytes, tail = None, 0, None
    for at, (number, path) in enumerate(places):
        raw = read_packed(files, path) if is_packed(path) else content(files, path)
        if at + 1 < len(places):
            end = _end(path, raw, until=places[at + 1][0] - 1)
        else:
            end = _last_end(files, path, raw)
        if tail not in (None, end.header.tail):
            raise LogCorrupt(path.name, 0, end.header.tail.next_seq, f"it does not follow record {number - 1}")
        if is_packed(path):
            copy.add(f"{LOG_FOLDER}/{ARCHIVE_FOLDER}/{path.name}")
        else:
            copy.write(f"{LOG_FOLDER}/{path.name}", iter([end.kept]))
        last, segment_bytes, tail = end.record or last, end.header.segment_bytes, end.tail
    if last is None:
        raise Refused("the log holds no record yet: there is nothing to back up")
    return last, segment_bytes


class _End(NamedTuple):
    """Where the part of a segment ends that is kept."""

    kept: bytes  # from its beginning on
    header: SegmentHeader
    tail: Tail
    record: Record | None  # the last one


def _end(path: Path, raw: bytes, *, until: int) -> _End:
    """After record `until`, which was durable. Raises LogCorrupt when it is not there."""
    header = check_segment_header(raw, path, 0)
    walk, record = Walk(path.name, raw, header.tail, 0), None
    while walk.tail.next_number <= until:
        record = next(iter(walk), None)
        if record is None:
            raise LogCorrupt(path.name, walk.at, walk.tail.next_seq, f"{walk.trouble}; it was durable")
    return _End(raw[: walk.at], header, walk.tail, record)


def _last_end(files: Files, path: Path, raw: bytes) -> _End:
    """After the last whole record of the last segment. While a venue writes to it, that one may be acknowledged without
    another after it to say so; if it is not, it is in flight, and may be kept as it may after a crash."""
    for look in range(LOOKS_MAX):
        live = files.locked(path.parent / LOCK)
        raw = content(files, path) if look else raw
        walk = Walk(path.name, raw, check_segment_header(raw, path, 0).tail, 0)
        for _ in walk:
            pass
        witness = None if walk.clean() else walk.witness()
        if witness is None:
            return _end(path, raw, until=walk.tail.next_number - 1)
        if not live:
            break  # else it was being written while it was read: the next look tells
    assert witness is not None
    why = f"{walk.trouble}; record {witness.number} after it says that it was durable"
    raise LogCorrupt(path.name, walk.at, walk.tail.next_seq, why)
