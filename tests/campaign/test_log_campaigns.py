"""The campaigns on logs, small; and that each of them sees what it is there to see."""

from __future__ import annotations

import contextlib

import pytest

from engine.log import archive, events, local, segments, snapshot
from engine.log.event_writer import EventWriter
from tests.campaign import (
    crash_states,
    failing_calls,
    flips,
    flips_archive,
    flips_events,
    flips_snapshots,
    logs,
    truncations,
)
from tests.campaign.memory_files import MemoryFiles


def test_flipped_bits_are_detected_harmless_or_cut_off_the_end():
    outcome = flips.run(0, 3_000)
    assert not outcome.failures
    assert set(outcome.sums) == {"detected", "harmless", "cut"} and sum(outcome.sums.values()) == 3_000
    assert outcome.sums["detected"] > 2_500


def test_flipped_bits_of_snapshots_are_detected():
    outcome = flips_snapshots.run(0, 1_000)
    assert not outcome.failures and outcome.sums["detected"] > 990


def test_flipped_bits_of_archived_segments_are_detected_or_harmless():
    outcome = flips_archive.run(0, 500)
    assert not outcome.failures and outcome.sums["detected"] > 450


def test_flipped_bits_of_event_segments_are_detected_and_made_anew():
    outcome = flips_events.run(0, 500)
    assert not outcome.failures and outcome.sums["detected"] > 480


def test_events_read_without_their_checksum_would_be_seen(monkeypatch):
    monkeypatch.setattr(events.google_crc32c, "value", lambda data: 0)
    monkeypatch.setattr(events.google_crc32c, "extend", lambda crc, data: 0)
    flips_events.written.cache_clear()
    flips_events.flips_of.cache_clear()
    try:
        assert flips_events.run(0, 200).failures
    finally:
        flips_events.written.cache_clear()
        flips_events.flips_of.cache_clear()


def test_a_snapshot_without_checksums_would_be_seen(monkeypatch):
    monkeypatch.setattr(snapshot.google_crc32c, "value", lambda data: 0)
    monkeypatch.setattr(snapshot.google_crc32c, "extend", lambda crc, data: 0)
    flips_snapshots.written.cache_clear()
    try:
        assert flips_snapshots.run(0, 200).failures
    finally:
        flips_snapshots.written.cache_clear()


def test_a_log_cut_at_any_byte_ends_at_the_last_whole_record():
    outcome = truncations.run(0, len(truncations.cuts_of(0)))
    assert not outcome.failures
    assert set(outcome.sums) == {"cut", "refused", "harmless"}


def test_crash_states_lose_nothing_acknowledged():
    outcome = crash_states.run(0, 2_000)
    assert not outcome.failures
    assert outcome.sums["in_flight_kept"] > 100 and sum(outcome.sums.values()) == 2_000


def test_a_record_taken_without_its_checksum_would_be_seen(monkeypatch):
    """A reader that trusts a record's own checksum field: every flip in a body comes back as another record."""
    monkeypatch.setattr(local, "Walk", _Trusting)
    logs.written(0)
    assert flips.run(0, 300).failures


class _Trusting(segments.Walk):
    """Repairs the checksum of what it reads."""

    def __init__(self, name, buffer, tail, shard, at=segments.SEGMENT_HEADER_BYTES):
        import google_crc32c

        whole, where = bytearray(buffer), at
        while whole[where : where + 4] == segments.RECORD_MAGIC.to_bytes(4, "little"):
            length = int.from_bytes(whole[where + 4 : where + 8], "little")
            raw = bytes(whole[where : where + length])
            whole[where + 8 : where + 12] = google_crc32c.value(raw[:8] + b"\0\0\0\0" + raw[12:]).to_bytes(4, "little")
            where += max(segments.padded(length), segments.RECORD_ALIGN_BYTES)
        super().__init__(name, bytes(whole), tail, shard, at)


@pytest.mark.parametrize("sync", ["fdatasync", "fsync_dir"])
def test_a_sync_that_is_left_out_is_seen(monkeypatch, sync):
    monkeypatch.setattr(MemoryFiles, sync, lambda self, handle: None)
    crash_states.life.cache_clear()
    try:
        assert crash_states.run(0, 300).failures
    finally:
        crash_states.life.cache_clear()


def test_a_segment_published_before_it_is_synced_is_seen(monkeypatch):
    def publish(files, directory, shard, segment_bytes, tail):
        path = directory / segments.segment_name(tail.next_number)
        handle = files.open(directory / segments.PREPARED)
        files.pwrite(handle, segments.encode_segment_header(shard, segment_bytes, tail), 0)
        files.rename(directory / segments.PREPARED, path)
        files.fsync_dir(directory)
        return path, handle

    monkeypatch.setattr(local, "publish_segment", publish)
    crash_states.life.cache_clear()
    try:
        assert crash_states.run(0, 300).failures
    finally:
        crash_states.life.cache_clear()


def test_a_snapshot_taken_before_its_events_are_durable_is_seen(monkeypatch):
    monkeypatch.setattr(EventWriter, "sync", lambda self: self.flush())
    crash_states.life.cache_clear()
    try:
        first = sum(1 for _ in crash_states.states(crash_states.life(0).trace))
        assert crash_states.run(first, 500).failures
    finally:
        crash_states.life.cache_clear()


@pytest.mark.parametrize("left_out", ["fdatasync", "fsync_dir"])
def test_a_segment_unlinked_before_its_archive_is_durable_is_seen(monkeypatch, left_out):
    """Archived under its name at once, or without waiting for the name to be durable."""

    def write(files, temporary, target, raw, pause):
        handle = files.open(target, create=True)
        files.pwrite(handle, archive.zstandard.ZstdCompressor(write_checksum=True).compress(raw), 0)
        files.fsync_dir(target.parent)

    def sync_other_folders(self, directory):
        if directory.name != archive.FOLDER:
            fsync_dir(self, directory)

    fsync_dir = MemoryFiles.fsync_dir
    if left_out == "fdatasync":
        monkeypatch.setattr(archive, "_write", write)
    else:
        monkeypatch.setattr(MemoryFiles, "fsync_dir", sync_other_folders)
    crash_states.life.cache_clear()
    try:
        first = sum(1 for _ in crash_states.states(crash_states.life(0).trace))
        assert crash_states.run(first + 500, 500).failures
    finally:
        crash_states.life.cache_clear()


def test_records_found_again_are_those_that_stand_there():
    log = logs.written(3)
    assert len(log.segments) > 2 and len(log.records) == logs.RECORDS
    assert logs.shortened(3, 5).raws == log.raws[:5]


@pytest.mark.parametrize("seed", [0, 1], ids=["log", "follower"])
def test_any_call_that_fails_ends_the_life_and_loses_nothing(seed):
    calls = failing_calls.calls_of(seed)
    for number in range(0, len(calls), len(calls) // 100):
        failing_calls.fail(seed, number)


def test_a_sync_that_is_asked_for_again_is_seen(monkeypatch):
    def sync(self, handle):
        with contextlib.suppress(OSError):
            return failing(self, handle)
        return MemoryFiles.fdatasync(self, handle)

    failing = failing_calls.FailingFiles.fdatasync
    monkeypatch.setattr(failing_calls.FailingFiles, "fdatasync", sync)
    assert any("went on" in failure for failure in failing_calls.run(0, 60).failures)
