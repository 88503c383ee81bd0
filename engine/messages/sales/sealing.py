"""Sealing a bid and opening it again: pure functions of bytes, the same for venue, gateway and client.

ChaCha20-Poly1305 (RFC 8439) under a key that seals one bid and no other; the nonce can therefore be zero. Sale, account
and lot are its associated data, so that a ciphertext cannot be passed off as another account's, or for another sale.
The cipher does not commit to its key (two keys can be found that both open a made-up ciphertext), so the bid carries a
BLAKE2b-256 of the key and the associated data: who sealed it cannot choose later what it says. Contents are padded to
blocks, so that a length tells little.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from engine.limits import SEALED_BLOCK_BYTES, SEALED_CIPHERTEXT_BYTES_MAX
from engine.messages.sales.sealed import Contents, SealedOffer

KEY_BYTES = 32
TAG_BYTES = 16
_LENGTH_BYTES = 4
_NONCE = bytes(12)
_DOMAIN = b"qhatu-sealed-1"
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODER = msgspec.msgpack.Decoder(Contents)


class Place(NamedTuple):
    """What a bid is bound to."""

    sale: int
    account: int
    lot: int  # 0: any of the sale


class BadSeal(Exception):
    """The key is the bid's own, and what it opens is no bid."""


class BadCiphertext(BadSeal):
    """Nothing that was sealed for this place under this key."""


class BadContents(BadSeal):
    """Opened, but not contents."""


def seal(key: bytes, place: Place, contents: Contents) -> SealedOffer:
    """The bid as it travels. `key` is KEY_BYTES of chance that seal nothing else. Raises ValueError when too long."""
    plain = _ENCODER.encode(contents)
    padded = len(plain).to_bytes(_LENGTH_BYTES) + plain
    padded += bytes(-len(padded) % SEALED_BLOCK_BYTES)
    if len(padded) + TAG_BYTES > SEALED_CIPHERTEXT_BYTES_MAX:
        raise ValueError(f"{len(plain)} bytes do not fit a sealed bid")
    ciphertext = ChaCha20Poly1305(key).encrypt(_NONCE, padded, _bound_to(place))
    return SealedOffer(place.lot, ciphertext, commitment(key, place))


def commitment(key: bytes, place: Place) -> bytes:
    """32 bytes that fit this key at this place alone, and tell nothing of it."""
    return blake2b(key + _bound_to(place), digest_size=32, person=_DOMAIN).digest()


def fits(key: bytes, place: Place, told: bytes) -> bool:
    return compare_digest(commitment(key, place), told)


def opened(key: bytes, place: Place, ciphertext: bytes) -> Contents:
    """What a key that fits opens. Raises BadCiphertext, BadContents."""
    try:
        padded = ChaCha20Poly1305(key).decrypt(_NONCE, ciphertext, _bound_to(place))
    except (InvalidTag, ValueError):
        raise BadCiphertext from None
    plain, padding = padded[_LENGTH_BYTES:], b""
    length = int.from_bytes(padded[:_LENGTH_BYTES])
    plain, padding = plain[:length], plain[length:]
    if len(padded) < _LENGTH_BYTES or len(plain) != length or any(padding):
        raise BadContents
    try:
        return _DECODER.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadContents from None


def _bound_to(place: Place) -> bytes:
    return _DOMAIN + place.sale.to_bytes(8) + place.account.to_bytes(8) + place.lot.to_bytes(8)
