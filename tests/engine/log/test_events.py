"""Event segments: written in frames, read while they are written, rotated, compressed, torn, damaged."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import zstandard

from engine.limits import EVENT_FRAME_BYTES_MAX, EVENT_PACK_BYTES, EVENT_SYNC_BYTES, SEGMENT_HEADER_BYTES
from engine.log.event_reader import LIST_POLLS, REOPEN_POLLS, EventReader
from engine.log.event_writer import EventWriter
from engine.log.events import (
    FRAME,
    FRAME_MAGIC,
    BadFrame,
    EventEnd,
    EventsCorrupt,
    EventsDiffer,
    decode_frame,
    encode_frame,
    live_name,
    packed_name,
    remove_events,
)
from engine.log.files import RealFiles
from engine.log.record import Record, encode_record
from tests.engine.log.builders import Decided, decided
from tests.faulty_files import FaultyFiles

COUNTS = [1, 0, 3, 2, 0, 0, 7, 1, 40, 1, 0, 5, 60, 2, 1, 0]
SEGMENT_BYTES = 16 * 1024


class CountedFiles(RealFiles):
    """Real files that remember what was written and how much of it was not yet synced."""

    def __init__(self) -> None:
        self.writes: list[int] = []
        self.unsynced = self.unsynced_most = 0
        self.syncs = 0

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        super().pwrite(handle, data, offset)
        self.writes.append(len(data))
        self.unsynced += len(data)
        self.unsynced_most = max(self.unsynced_most, self.unsynced)

    def fdatasync(self, handle: int) -> None:
        super().fdatasync(handle)
        self.unsynced = 0
        self.syncs += 1


class QuickFiles(RealFiles):
    """Syncs are passed over: nothing there is about lost power."""

    def fdatasync(self, handle: int) -> None:
        pass

    def fsync_dir(self, directory: Path) -> None:
        pass


def write(directory: Path, given: list[Decided], **options) -> EventWriter:
    writer = EventWriter(RealFiles(), directory, **options)
    for record, events, digest in given:
        writer.append(record, events, digest)
    writer.flush()
    return writer


def read(directory: Path, after: int = 0, max_records: int = 1_000) -> list[Decided]:
    reader = EventReader(RealFiles(), directory, after)
    found = []
    while more := reader.poll(max_records):
        assert len(more) <= max_records
        found += more
    reader.close()
    return found


def plain(given: list[Decided], after: int = 0) -> list[tuple[bytes, bytes, bytes]]:
    """What can be compared of the records with commands."""
    return [
        (record.raw, events.tobytes(), digest)
        for record, events, digest in given
        if record.count and record.number > after
    ]


def packed_whole(writer: EventWriter) -> None:
    while writer.tend():
        pass


@pytest.fixture
def given() -> list[Decided]:
    return decided(COUNTS)


def test_what_is_written_is_read_and_records_without_commands_have_no_frame(tmp_path, given) -> None:
    writer = write(tmp_path, given)
    assert plain(read(tmp_path)) == plain(given)
    last = [record for record, _, _ in given if record.count][-1]
    assert writer.end == EventEnd(last.number, last.next_seq - 1, given[-1][2])
    writer.close()
    again = EventWriter(RealFiles(), tmp_path)
    assert again.end == writer.end and again.notes == []
    again.close()


@pytest.mark.parametrize("after", range(len(COUNTS) + 2))
@pytest.mark.parametrize("pack", [False, True], ids=["plain", "packed"])
def test_reading_begins_after_any_record(tmp_path, given, after: int, pack: bool) -> None:
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    if pack:
        packed_whole(writer)
    for max_records in (1, 3, 1_000):
        assert plain(read(tmp_path, after, max_records)) == plain(given, after)
    writer.close()


def test_one_write_a_flush_and_a_sync_each_mebibyte(tmp_path) -> None:
    files = CountedFiles()
    given = decided([1_000] * 40)
    writer = EventWriter(files, tmp_path)
    writer.append(*given[0])
    writer.append(*given[1])
    assert files.writes == [SEGMENT_HEADER_BYTES], "the header of the first segment, and nothing else yet"
    writer.flush()
    assert len(files.writes) == 2
    for each in given[2:]:
        writer.append(*each)
    writer.flush()
    assert max(files.writes) <= EVENT_SYNC_BYTES and files.unsynced_most < 2 * EVENT_SYNC_BYTES
    assert files.syncs < 2 + sum(files.writes) / EVENT_SYNC_BYTES
    writer.sync()
    assert files.unsynced == 0
    syncs = files.syncs
    writer.sync()
    assert files.syncs == syncs, "there was nothing more to sync"
    writer.close()
    assert plain(read(tmp_path)) == plain(given)


def test_segments_rotate_and_closed_ones_are_compressed(tmp_path, given) -> None:
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) >= 2 and all(path.stat().st_size <= SEGMENT_BYTES for path in tmp_path.iterdir())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    packed_whole(writer)
    assert not writer.tend()
    after = sorted(path.name for path in tmp_path.iterdir())
    assert after == [f"{name}.zst" for name in names[:-1]] + names[-1:]
    for name in names[:-1]:
        raw = (tmp_path / f"{name}.zst").read_bytes()
        assert zstandard.ZstdDecompressor().decompressobj().decompress(raw) == before[name]
    assert plain(read(tmp_path)) == plain(given)
    writer.close()
    again = EventWriter(RealFiles(), tmp_path, segment_bytes=SEGMENT_BYTES)
    assert again.end == writer.end
    again.close()


@pytest.mark.parametrize("idle", [1, 7, 8, 9, 40, 200])
def test_a_reader_at_rest_notices_that_its_segment_was_made_anew(tmp_path, given, idle) -> None:
    """Under the same name: what it has open is a file without one."""
    third = len(given) // 3
    write(tmp_path, given[:third]).close()
    reader = EventReader(RealFiles(), tmp_path)
    found = []
    while more := reader.poll():
        found += more
    for _ in range(idle):
        assert reader.poll() == []
    remove_events(RealFiles(), tmp_path)
    write(tmp_path, given).close()
    for _ in range(REOPEN_POLLS + 2):
        found += reader.poll()
    assert plain(found) == plain(given)
    reader.close()


def test_a_damaged_segment_is_not_compressed(tmp_path, given) -> None:
    """Compressed, its damage would be found when a sink needs it, long after the log was archived."""
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    path = tmp_path / live_name(1)
    image = path.read_bytes()
    for bit in (3, 8 * 4_096 + 77, 8 * (len(image) - 5)):
        damaged = bytearray(image)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(EventsCorrupt):
            packed_whole(writer)
        assert path.exists() and not list(tmp_path.glob("*.zst"))
        writer.close()
        path.write_bytes(image)
        writer = EventWriter(RealFiles(), tmp_path, segment_bytes=SEGMENT_BYTES)
    packed_whole(writer)
    assert list(tmp_path.glob("*.zst")) and plain(read(tmp_path)) == plain(given)
    writer.close()


def test_compressing_goes_by_slices(tmp_path) -> None:
    given = decided([1_000] * 12)
    writer = write(tmp_path, given, segment_bytes=4 * EVENT_PACK_BYTES)
    size = (tmp_path / live_name(1)).stat().st_size
    assert size > 3 * EVENT_PACK_BYTES
    slices = 0
    while (tmp_path / live_name(1)).exists():
        assert writer.tend()
        assert plain(read(tmp_path)) == plain(given), "every state in between is readable"
        slices += 1
    assert slices > 2 * 3
    writer.close()


def test_a_frame_larger_than_a_segment_stands_in_one_alone(tmp_path) -> None:
    given = decided([1, 2, 4_000, 1, 4_000, 4_000, 3], events_per_command=20)
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    assert len(list(tmp_path.iterdir())) == 6, "two small ones, and each of the others alone"
    assert plain(read(tmp_path)) == plain(given)
    packed_whole(writer)
    assert plain(read(tmp_path)) == plain(given)
    writer.close()
    again = EventWriter(RealFiles(), tmp_path, segment_bytes=SEGMENT_BYTES)
    assert again.end == writer.end and again.notes == []
    again.close()


def test_the_last_closed_segment_tells_the_end_when_no_live_one_is_there(tmp_path, given) -> None:
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    packed_whole(writer)
    writer.close()
    (live,) = tmp_path.glob("*.evt")
    live.unlink()
    again = EventWriter(RealFiles(), tmp_path, segment_bytes=SEGMENT_BYTES)
    at = int(live.stem)
    assert again.end.number == max(record.number for record, _, _ in given if record.count and record.number < at)
    for each in given:
        again.append(*each)
    again.close()
    assert plain(read(tmp_path)) == plain(given)


# Torn and damaged


def test_torn_at_every_byte_of_the_last_frames(tmp_path) -> None:
    """Whatever is left of the last frames is cut, told, and written again with the same bytes."""
    given = decided([60, 1, 0, 2, 1, 3])
    write(tmp_path, given).close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    ends = frame_ends(whole)
    for length in range(ends[-4] - 1, len(whole)):
        path.write_bytes(whole[:length])
        kept = max(end for end in ends if end <= length)
        count = ends.index(kept)
        assert plain(read(tmp_path)) == plain(given)[:count], "a reader waits for the rest"
        writer = EventWriter(QuickFiles(), tmp_path)
        assert len(writer.notes) == (length != kept)
        assert path.stat().st_size == kept
        for each in given:
            writer.append(*each)
        writer.close()
        assert plain(read(tmp_path)) == plain(given)


def test_a_torn_write_with_holes_is_cut_at_its_first_hole(tmp_path, given) -> None:
    write(tmp_path, given).close()
    (path,) = tmp_path.iterdir()
    whole, ends = path.read_bytes(), frame_ends(path.read_bytes())
    chance = Random(5)
    for _ in range(200):
        raw = bytearray(whole)
        at = chance.randrange(ends[0], len(raw) - 64)
        end = min(len(raw), at + 512)
        if raw[at:end] == bytes(end - at):
            continue
        raw[at:end] = bytes(end - at)
        path.write_bytes(raw)
        writer = EventWriter(RealFiles(), tmp_path)
        (note,) = writer.notes
        assert path.name in note
        for each in given:
            writer.append(*each)
        writer.close()
        assert plain(read(tmp_path)) == plain(given)


def frame_ends(raw: bytes) -> list[int]:
    """Offsets of the header's end and of each frame's."""
    ends = [SEGMENT_HEADER_BYTES]
    while ends[-1] < len(raw):
        ends.append(ends[-1] + decode_frame(raw, ends[-1]).length)
    return ends


@pytest.mark.parametrize("form", ["live", "closed", "packed"])
def test_no_flipped_bit_gets_through(tmp_path, given, form: str) -> None:
    """Every bit of a segment's header and of three frames', and bits of bodies by chance: the reader hands out the
    records before the damage and then says where it is, or waits where it may be half written (the last frame)."""
    writer = write(tmp_path, given, segment_bytes=10**6 if form == "live" else SEGMENT_BYTES)
    if form == "packed":
        packed_whole(writer)
    writer.close()
    path = sorted(tmp_path.iterdir())[0]
    whole = path.read_bytes()
    chance = Random(7)
    places = {(chance.randrange(len(whole)), chance.randrange(8)) for _ in range(300)}
    places |= {(at, bit) for at in range(64) for bit in range(8)}
    if form != "packed":
        for start in frame_ends(whole)[:3]:
            places |= {(start + at, bit) for at in range(64) for bit in range(8)}
    wanted = plain(given)
    raised = 0
    for at, bit in sorted(places):
        raw = bytearray(whole)
        raw[at] ^= 1 << bit
        path.write_bytes(raw)
        reader, found = EventReader(RealFiles(), tmp_path), []
        try:
            while more := reader.poll(2):
                found += more
            last = form == "live" and at >= frame_ends(whole)[-2]
            harmless = plain(found) == wanted
            assert harmless or last, (at, bit)
            assert not harmless or form == "packed", "no bit of a plain segment is without meaning"
        except EventsCorrupt as error:
            raised += 1
            assert error.segment in (path.name, sorted(tmp_path.iterdir())[1].name if form != "live" else "")
            assert str(error.number) in str(error) and error.offset >= 0
        finally:
            reader.close()
        assert plain(found) == wanted[: len(found)], "what was handed out is right"
    assert raised > len(places) * 0.8


def test_damage_names_segment_offset_and_record(tmp_path, given) -> None:
    write(tmp_path, given).close()
    (path,) = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    ends = frame_ends(bytes(raw))
    raw[ends[3] + 100] ^= 1
    path.write_bytes(raw)
    number = [record.number for record, _, _ in given if record.count][2]
    with pytest.raises(EventsCorrupt, match=f"{path.name} is damaged at byte {ends[3]}, after record {number}: check"):
        read(tmp_path)


def test_a_reader_that_looks_while_a_frame_is_written_waits(tmp_path, given) -> None:
    write(tmp_path / "whole", given).close()
    whole = (tmp_path / "whole" / live_name(1)).read_bytes()
    growing = tmp_path / "growing"
    growing.mkdir()
    reader, found = EventReader(RealFiles(), growing), []
    assert reader.poll() == []
    path = growing / live_name(1)
    for length in range(SEGMENT_HEADER_BYTES, len(whole) + 64, 64):
        path.write_bytes(whole[:length])
        found += reader.poll()
    assert plain(found) == plain(given)
    reader.close()


def test_zeros_after_the_end_are_waited_on(tmp_path, given) -> None:
    """Some file systems show a file's new length before its bytes."""
    write(tmp_path, given).close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + bytes(4_096))
    assert plain(read(tmp_path)) == plain(given)
    writer = EventWriter(RealFiles(), tmp_path)
    assert len(writer.notes) == 1
    writer.close()


@pytest.mark.parametrize("missing", ["first", "middle"])
def test_a_missing_segment_is_noticed(tmp_path, given, missing: str) -> None:
    write(tmp_path, decided([50] * 12), segment_bytes=SEGMENT_BYTES).close()
    paths = sorted(tmp_path.iterdir())
    assert len(paths) >= 4
    paths[0 if missing == "first" else 2].unlink()
    with pytest.raises((ValueError, EventsCorrupt), match="begin after record" if missing == "first" else "follow"):
        read(tmp_path)


def test_another_shard_or_name_is_refused(tmp_path, given) -> None:
    write(tmp_path, given).close()
    with pytest.raises(EventsCorrupt, match="shard 0, not 3"):
        EventReader(RealFiles(), tmp_path, shard=3).poll()
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / live_name(2))
    with pytest.raises((EventsCorrupt, ValueError), match="record 1"):
        EventReader(RealFiles(), tmp_path, 2).poll()


@pytest.mark.parametrize("wrong", ["shard", "number", "seq", "digest", "events"])
def test_a_whole_frame_that_does_not_follow_is_damage(tmp_path, wrong: str) -> None:
    """Its checksum is right; it is another history's, or the writer's fault."""
    given = decided([2, 3, 4])
    write(tmp_path, given[:2]).close()
    record, events, digest = given[2]
    if wrong == "shard":
        record = replace(record, shard=1)
    elif wrong == "number":
        record = replace(record, number=2)
    elif wrong == "seq":
        record = replace(record, first_seq=record.first_seq + 1)
    elif wrong == "digest":
        digest = bytes(16)
    else:
        events = events[:-1]
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole + encode_frame(again(record), events, digest, 0))
    with pytest.raises(EventsCorrupt, match=f"byte {len(whole)}, after record 2"):
        read(tmp_path)
    writer = EventWriter(RealFiles(), tmp_path)
    assert writer.end.number == 2 and "cut event segment" in writer.notes[0]
    writer.append(*given[2])
    writer.close()
    assert plain(read(tmp_path)) == plain(given)


def again(record: Record) -> Record:
    """Encoded anew, as its fields say."""
    return encode_record(
        record.batch,
        shard=record.shard,
        generation=record.generation,
        epoch=record.epoch,
        first_seq=record.first_seq,
        ts_ns=record.ts_ns,
        number=record.number,
        prev_digest=record.prev_digest,
        durable_through=record.durable_through,
        applied_seq=record.applied_seq,
        event_digest=record.event_digest,
    )


# Compared with what is there


def test_records_at_or_below_the_end_are_compared_and_not_written(tmp_path, given) -> None:
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    packed_whole(writer)
    writer.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for start in range(len(given)):
        writer = EventWriter(RealFiles(), tmp_path, segment_bytes=SEGMENT_BYTES)
        for each in given[start:]:
            writer.append(*each)
        writer.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("at", [0, 5, 12, 14])
def test_events_of_another_log_are_noticed(tmp_path, given, at: int) -> None:
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    writer.close()
    writer = EventWriter(RealFiles(), tmp_path, segment_bytes=SEGMENT_BYTES)
    with pytest.raises(EventsDiffer, match="not the log's"):
        for place, (record, events, digest) in enumerate(given):
            writer.append(record, events, bytes(16) if place >= at else digest)
    writer.close()


def test_a_log_that_goes_on_elsewhere_is_noticed(tmp_path, given) -> None:
    writer = write(tmp_path, given[:4])
    with pytest.raises(EventsDiffer, match="begins at command"):
        writer.append(*given[7])
    writer.close()


def test_removed_they_are_written_anew_and_a_reader_goes_on(tmp_path, given) -> None:
    writer = write(tmp_path, given[:7], segment_bytes=SEGMENT_BYTES)
    reader = EventReader(RealFiles(), tmp_path)
    found = reader.poll()
    writer.close()
    remove_events(RealFiles(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)
    for _ in range(3 * REOPEN_POLLS):
        found += reader.poll()
    assert plain(found) == plain(given)
    reader.close()
    writer.close()


@pytest.mark.parametrize("counts", [COUNTS, [0, 0, 1, *COUNTS]], ids=["same names", "other names"])
def test_a_reader_does_not_go_on_in_another_history(tmp_path, given, counts: list[int]) -> None:
    writer = write(tmp_path, given[:7], segment_bytes=SEGMENT_BYTES)
    reader = EventReader(RealFiles(), tmp_path)
    reader.poll()
    writer.close()
    remove_events(RealFiles(), tmp_path)
    write(tmp_path, decided(counts, events_per_command=3), segment_bytes=SEGMENT_BYTES).close()
    with pytest.raises(EventsCorrupt):
        for _ in range(3 * REOPEN_POLLS):
            assert reader.poll() == []
    reader.close()


# Side by side


def test_a_reader_follows_through_rotation_and_compression(tmp_path) -> None:
    """The writer appends, rotates, compresses and unlinks in one thread; readers that start at any time see it all."""
    chance = Random(11)
    given = decided([chance.choice((1, 2, 30, 100)) for _ in range(600)])
    wanted, ended, errors = plain(given), threading.Event(), []
    deadline = time.monotonic() + 60

    def follow(seed: int) -> None:
        chance, reader, found, after = Random(seed), None, [], 0
        try:
            while not (ended.is_set() and len(found) == len(wanted)):
                if reader is None or chance.random() < 0.05:
                    if reader is not None:
                        reader.close()
                    reader = EventReader(RealFiles(), tmp_path, after)
                more = reader.poll(chance.choice((1, 7, 1_000)))
                found += plain(more)
                after = more[-1][0].number if more else after
                assert time.monotonic() < deadline, f"{len(found)} of {len(wanted)} records"
            assert found == wanted
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=follow, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    writer = EventWriter(RealFiles(), tmp_path, segment_bytes=3 * SEGMENT_BYTES)
    for place, each in enumerate(given):
        writer.append(*each)
        if chance.random() < 0.4:
            writer.flush()
        for _ in range(chance.choice((0, 0, 1, 4))):
            writer.tend()
        if place % 97 == 96:
            writer.close()
            writer = EventWriter(RealFiles(), tmp_path, segment_bytes=3 * SEGMENT_BYTES)
    writer.flush()
    packed_whole(writer)
    ended.set()
    for thread in threads:
        thread.join(60)
    writer.close()
    assert errors == []
    assert len(list(tmp_path.glob("*.zst"))) > 10 and len(list(tmp_path.glob("*.evt"))) == 1


def test_a_segment_that_vanishes_between_listing_and_opening_is_looked_for_anew(tmp_path, given) -> None:
    writer = write(tmp_path, given, segment_bytes=SEGMENT_BYTES)

    class Late(RealFiles):
        """The writer compresses just when the reader has listed."""

        def open(self, path: Path, *, create: bool = False, writable: bool = True) -> int:
            packed_whole(writer)
            return super().open(path, create=create, writable=writable)

    reader, found = EventReader(Late(), tmp_path), []
    while more := reader.poll():
        found += more
    assert plain(found) == plain(given) and list(tmp_path.glob("*.zst"))
    reader.close()
    writer.close()


def test_a_reader_seldom_lists_the_folder_when_nothing_happens(tmp_path, given) -> None:
    writer = write(tmp_path, given[:4], segment_bytes=SEGMENT_BYTES)
    files = FaultyFiles(RealFiles())  # counts
    reader = EventReader(files, tmp_path)
    assert plain(reader.poll()) == plain(given[:4])
    for _ in range(10 * LIST_POLLS):
        assert reader.poll() == []
    assert files.calls["listdir"] < 2 * LIST_POLLS + 10
    before = files.calls["listdir"]
    for each in decided(COUNTS[:4] + [100] * 5)[4:]:
        writer.append(*each)
    writer.flush()
    found = []
    for _ in range(2 * LIST_POLLS):
        found += reader.poll()
    assert plain(found) == plain(decided(COUNTS[:4] + [100] * 5), after=4), "later segments are found all the same"
    assert len(list(tmp_path.iterdir())) > 2 and files.calls["listdir"] > before
    reader.close()
    writer.close()


# Trouble


@pytest.mark.parametrize("name", ["pwrite", "fdatasync", "open", "rename", "fsync_dir", "unlink"])
@pytest.mark.parametrize("after", range(4))
def test_after_a_failed_call_nothing_is_tried_again(tmp_path, given, name: str, after: int) -> None:
    files = FaultyFiles(RealFiles())
    writer = EventWriter(files, tmp_path, segment_bytes=SEGMENT_BYTES)
    files.fail(name, after)
    with pytest.raises(OSError, match="planted"):
        for each in decided([60] * 12):
            writer.append(*each)
            writer.sync()
            packed_whole(writer)
    for call in (writer.flush, writer.sync, writer.tend):
        with pytest.raises(OSError, match="could not be written"):
            call()
    writer.close()
    found = read(tmp_path)
    assert plain(found) == plain(decided([60] * 12))[: len(found)]
    write(tmp_path, decided([60] * 12), segment_bytes=SEGMENT_BYTES).close()
    assert plain(read(tmp_path)) == plain(decided([60] * 12))


def test_a_frame_says_what_it_is() -> None:
    record, events, digest = decided([3])[0]
    raw = encode_frame(record, events, digest, 0)
    assert len(raw) % 64 == 0
    frame = decode_frame(bytes(64) + raw, 64)
    assert frame.record.raw == record.raw and np.array_equal(frame.events, events) and frame.length == len(raw)
    for length, why in ((63, "header"), (64, "left"), (len(raw) - 1, "left")):
        with pytest.raises(BadFrame, match=why):
            decode_frame(raw[:length])
    huge = FRAME.pack(FRAME_MAGIC, 0, EVENT_FRAME_BYTES_MAX + 64, 1, 0, 128, 2**27 - 2, digest)
    with pytest.raises(BadFrame, match="length"):
        decode_frame(huge + bytes(1_000))
    assert packed_name(7) == live_name(7) + ".zst"
