"""Faults of libfiu in the real venue: one of each kind."""

from __future__ import annotations

import asyncio
import errno
import subprocess
from pathlib import Path

import pytest

from tests.campaign import write_sites
from tests.campaign.kills import Life, blows
from tests.campaign.write_sites import fault

pytestmark = pytest.mark.skipif(
    not write_sites.available(), reason="libfiu is not installed (Debian package fiu-utils)"
)


@pytest.fixture
def life(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    life = Life(data, seed=7)
    yield life
    life.abandon()


def test_nothing_is_acknowledged_after_a_call_failed_and_every_start_is_whole(life: Life, tmp_path: Path):
    sites = iter(
        [
            ("serve", "posix/io/sync/fdatasync", errno.EIO),
            ("serve", "posix/io/rw/pwrite", errno.ENOSPC),
            ("start", "posix/io/sync/fdatasync", errno.EIO),
            ("child", "posix/io/rw/pwrite", errno.ENOSPC),
        ]
    )
    asyncio.run(blows(life, 4, lambda life: fault(life, tmp_path, *next(sites))))
    sums = life.outcome.sums
    assert (sums["of_serve"], sums["refused_to_start"], sums["of_child"]) == (2, 1, 1)


def test_a_venue_that_goes_on_after_a_fault_is_seen(life: Life, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(write_sites, "END_SECONDS_MAX", 0.5)
    harmless = ("serve", "posix/io/rw/preadv", errno.EIO)  # a call that a venue does not make
    with pytest.raises(subprocess.TimeoutExpired):
        asyncio.run(blows(life, 1, lambda life: fault(life, tmp_path, *harmless)))
