"""Keys of sealed bids: durable before anyone relies on them, and what a crash or a bad disk leaves of them."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest

from engine.log.files import Files, RealFiles
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import cold
from engine.messages.sales.commands import Bid
from engine.messages.sales.sealed import Step
from engine.messages.sales.sealing import Place
from engine.oracle.books import Books
from engine.state.sales.sealed import SealedState
from gateway.sealed import opening, seal_offer
from gateway.vault import MAGIC, RECORD_BYTES, Vault, VaultCorrupt, read_keys
from tests.faulty_files import FaultyFiles
from tests.recorder import Recorder, open_venue
from tests.sealed_sales import sealed_sale


async def in_thread(function: Any, *args: Any) -> Any:
    return await asyncio.to_thread(function, *args)


def vault_at(path: Path, files: Files | None = None) -> Vault:
    return Vault(files or RealFiles(), path, in_thread, token_bytes)


def pair(number: int) -> tuple[bytes, bytes]:
    return sha256(f"c{number}".encode()).digest(), sha256(f"k{number}".encode()).digest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sealed.keys"


async def kept(path: Path, numbers: range) -> None:
    """One after another, each a write of its own."""
    vault = vault_at(path)
    for number in numbers:
        await vault.keep(*pair(number))
    vault.close()


async def test_keys_are_found_again(path: Path) -> None:
    await kept(path, range(3))
    await kept(path, range(3, 5))
    vault = vault_at(path)
    assert [await vault.find(pair(number)[0]) for number in range(5)] == [pair(number)[1] for number in range(5)]
    assert await vault.find(bytes(32)) is None
    assert path.stat().st_size == len(MAGIC) + 5 * RECORD_BYTES
    assert path.stat().st_mode & 0o007 == 0


async def test_without_a_file_there_is_no_key_and_none_is_made(path: Path) -> None:
    assert await vault_at(path).find(bytes(32)) is None
    assert not path.exists()


async def test_a_key_is_durable_before_keep_returns(path: Path) -> None:
    calls: list[str] = []
    files = FaultyFiles(RealFiles())
    files.on_call = calls.append
    vault = vault_at(path, files)
    await vault.keep(*pair(0))
    assert calls[-2:] == ["pwrite", "fdatasync"] and "fsync_dir" in calls
    assert read_keys(RealFiles(), path).keys == dict([pair(0)])


async def test_those_who_wait_share_a_sync(path: Path) -> None:
    files = FaultyFiles(RealFiles())
    vault = vault_at(path, files)
    await vault.keep(*pair(0))
    before = files.calls["fdatasync"]
    await asyncio.gather(*(vault.keep(*pair(number)) for number in range(1, 40)))
    assert files.calls["fdatasync"] - before <= 2
    assert read_keys(RealFiles(), path).records == 40


@pytest.mark.parametrize("call", ["open", "pwrite", "fdatasync", "fsync_dir", "truncate"])
async def test_what_cannot_be_kept_says_so_and_the_next_is_kept(call: str, path: Path) -> None:
    files = FaultyFiles(RealFiles())
    vault = vault_at(path, files)
    files.fail(call)
    with pytest.raises(OSError, match="planted"):
        await vault.keep(*pair(0))
    await vault.keep(*pair(1))
    vault.close()
    assert await vault_at(path).find(pair(1)[0]) == pair(1)[1]


async def test_a_torn_end_is_of_no_bid(path: Path) -> None:
    await kept(path, range(3))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        records = max(0, cut - len(MAGIC)) // RECORD_BYTES
        assert read_keys(RealFiles(), path).records == records
        if cut % 11 == 0:
            await kept(path, range(7, 8))
            assert read_keys(RealFiles(), path).keys == dict(pair(n) for n in [*range(records), 7])


async def test_a_group_that_was_half_written_is_of_no_bid(path: Path) -> None:
    vault = vault_at(path)
    await vault.keep(*pair(0))
    await asyncio.gather(*(vault.keep(*pair(number)) for number in range(1, 9)))
    vault.close()
    raw = bytearray(path.read_bytes())
    raw[-3 * RECORD_BYTES + 5] ^= 1  # of the last write, a middle record
    path.write_bytes(raw)
    assert read_keys(RealFiles(), path).records >= 1


async def test_every_damaged_byte_of_what_was_durable_is_noticed(path: Path) -> None:
    await kept(path, range(3))
    whole = path.read_bytes()
    for at in range(len(whole) - RECORD_BYTES):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        with pytest.raises(VaultCorrupt, match=r"sealed\.keys"):
            read_keys(RealFiles(), path)


async def test_what_is_sent_again_is_sealed_as_before(path: Path) -> None:
    """Also after a restart; another content, place or id has another key."""
    place, steps = Place(1, 2, 0), [Step(1, 500, 10)]
    first = await seal_offer(vault_at(path), place, steps, b"bid-1")
    size = path.stat().st_size
    assert await seal_offer(vault_at(path), place, steps, b"bid-1") == first
    assert path.stat().st_size == size == len(MAGIC) + 2 * RECORD_BYTES
    others = [
        await seal_offer(vault_at(path), place, [Step(1, 510, 10)], b"bid-1"),
        await seal_offer(vault_at(path), place, steps, b"bid-2"),
        await seal_offer(vault_at(path), Place(1, 3, 0), steps, b"bid-1"),
    ]
    assert len({first.commitment, *(other.commitment for other in others)}) == 4
    assert len(set(read_keys(RealFiles(), path).keys.values())) == 5


async def test_two_at_once_have_one_secret(path: Path) -> None:
    vault = vault_at(path)
    keys = await asyncio.gather(*(vault.key_for(b"same") for _ in range(8)))
    assert len(set(keys)) == 1


async def test_a_sale_is_opened_with_what_the_vault_has(path: Path) -> None:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(sealed_sale(recorder.ts_ns, lots=1))
    vault = vault_at(path)
    for account, price in ((2, 500), (3, 470)):
        offer = await seal_offer(vault, Place(1, account, 0), [Step(1, price, 10)], b"")
        recorder.do(cold(Bid(1, offer), account=account))
    sale = recorder.machine.venue.sales[1]
    with pytest.raises(AssertionError, match="before the closing time"):
        await opening(vault, sale)
    assert isinstance(sale.market, SealedState)
    recorder.ts_ns = sale.market.closes_ns
    recorder.do(bodies.Time())
    commands = await opening(vault_at(path), sale)
    assert [len(command.keys) for command in commands] == [2]
    recorder.do(*commands)
    assert [(one.buyer, one.price) for one in recorder.machine.venue.awards.values()] == [(2, 500)]
    assert await opening(vault, sale) == []
