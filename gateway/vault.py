"""Keys of sealed bids that the gateway sealed: kept beside the log, durable before the bid is.

    DATA/sealed.keys:  header of 16 bytes, then records of 72:  commitment 32 | key 32 | durable 4 | CRC32C 4

The log holds ciphertext; without this file the bids of open sales cannot be opened. It is read when an operator opens
the bids of a sale that has closed, and by nothing else. Keys are found by the commitment: the file knows neither sales
nor accounts. `durable` says how many records were durable before this one was written: a bad record is damage only if
a later one says that it was durable; otherwise it is the torn end of a write whose bids were never submitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c

from engine.log.files import Files

MAGIC = b"qhatu keys 1\0\0\0\0"
RECORD_BYTES = 72
KEY_BYTES = 32  # of a commitment, too
OWN = bytes(KEY_BYTES)  # stands for a commitment where the vault keeps its own secret
Run = Callable[..., Awaitable[Any]]  # a blocking call in a thread


class VaultCorrupt(Exception):
    """A key that was durable is damaged."""


class Vault:
    """`key_for` and `keep` make a key and keep it, `find` gives it back. Opened when first used: a venue without sealed
    sales has no file.

    run     begins a blocking call in a thread: one at a time is enough
    secret  gives so many bytes that nobody can foresee
    """

    def __init__(self, files: Files, path: Path, run: Run, secret: Callable[[int], bytes]) -> None:
        self.path = path
        self._files, self._run, self._chance = files, run, secret
        self._making = asyncio.Lock()
        self._keys: dict[bytes, bytes] | None = None  # by commitment
        self._handle = -1
        self._waiting: list[tuple[bytes, bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._records = 0

    async def key_for(self, what: bytes) -> bytes:
        """The key that seals this and nothing else; the same for the same bytes, so that a bid that is sent again under
        its id is the same command. Out of a secret of the vault's own, its first record. Raises OSError, VaultCorrupt.
        """
        async with self._making:
            secret = await self.find(OWN)
            if secret is None:
                secret = self._chance(KEY_BYTES)
                await self.keep(OWN, secret)
        return blake2b(what, key=secret, digest_size=KEY_BYTES, person=b"qhatu-vault-1").digest()

    async def keep(self, commitment: bytes, key: bytes) -> None:
        """Durable on return. Those who wait share one sync. Raises OSError, VaultCorrupt."""
        if await self.find(commitment) == key:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((commitment, key, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def find(self, commitment: bytes) -> bytes | None:
        """The key that fits, or None: the bidder sealed it itself. Raises OSError, VaultCorrupt."""
        if self._keys is None:
            self._keys = (await self._run(read_keys, self._files, self.path)).keys
        return self._keys.get(commitment)

    def close(self) -> None:
        """When nothing waits."""
        if self._handle >= 0:
            self._files.close(self._handle)
            self._handle = -1

    async def _write(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            told = [(commitment, key) for commitment, key, _ in waiting]
            error: Exception | None = None
            try:
                await self._run(self._append, told)
            except (OSError, VaultCorrupt) as failed:
                error = failed
            for _, _, done in waiting:
                if done.done():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
        self._writing = None

    def _append(self, told: list[tuple[bytes, bytes]]) -> None:
        """Write and sync. What a failure leaves behind the end is written over by the next."""
        if self._handle < 0:
            found = read_keys(self._files, self.path)
            self._handle = _opened(self._files, self.path, found.records)
            self._keys, self._records = found.keys, found.records
        assert self._keys is not None
        raw = b"".join(encoded(commitment, key, self._records) for commitment, key in told)
        self._files.pwrite(self._handle, raw, len(MAGIC) + self._records * RECORD_BYTES)
        self._files.fdatasync(self._handle)
        self._records += len(told)
        self._keys.update(told)


class Found(NamedTuple):
    keys: dict[bytes, bytes]  # by commitment
    records: int


def encoded(commitment: bytes, key: bytes, durable: int) -> bytes:
    body = commitment + key + durable.to_bytes(4)
    assert len(body) == RECORD_BYTES - 4
    return body + google_crc32c.value(body).to_bytes(4)


def read_keys(files: Files, path: Path) -> Found:
    """Every whole record; none where there is no file. Raises OSError, VaultCorrupt."""
    try:
        handle = files.open(path, writable=False)
    except FileNotFoundError:
        return Found({}, 0)
    try:
        raw = files.pread(handle, files.size(handle), 0)
    finally:
        files.close(handle)
    return decoded(raw, path)


def decoded(raw: bytes, path: Path) -> Found:
    """The records of a file's bytes. Raises VaultCorrupt."""
    if len(raw) < len(MAGIC) or not any(raw[: len(MAGIC)]):
        return Found({}, 0)  # its making was cut short
    if raw[: len(MAGIC)] != MAGIC:
        raise VaultCorrupt(f"{path} does not begin as a file of keys does")
    keys: dict[bytes, bytes] = {}
    records, bad = 0, None
    for at, start in enumerate(range(len(MAGIC), len(raw), RECORD_BYTES)):
        record = raw[start : start + RECORD_BYTES]
        body, checksum = record[:-4], record[-4:]
        if len(record) < RECORD_BYTES or google_crc32c.value(body).to_bytes(4) != checksum:
            bad = at if bad is None else bad
        elif bad is None:
            keys[body[:KEY_BYTES]], records = body[KEY_BYTES : 2 * KEY_BYTES], at + 1
        elif int.from_bytes(body[2 * KEY_BYTES :]) > bad:
            raise VaultCorrupt(f"{path} is damaged: key {bad + 1}, which was durable, is lost")
    return Found(keys, records)


def _opened(files: Files, path: Path, records: int) -> int:
    """A handle to write with, of a file that ends after so many records."""
    try:
        handle = files.open(path)
    except FileNotFoundError:
        handle = files.open(path, create=True)
    try:
        files.pwrite(handle, MAGIC, 0)
        files.truncate(handle, len(MAGIC) + records * RECORD_BYTES)
        files.fdatasync(handle)
        files.fsync_dir(path.parent)
    except BaseException:
        files.close(handle)
        raise
    return handle
