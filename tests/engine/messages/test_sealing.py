"""A sealed bid opens with its key, at its place, and in no other way."""

from __future__ import annotations

from secrets import token_bytes

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from engine.limits import SEALED_BLOCK_BYTES, SEALED_CIPHERTEXT_BYTES_MAX, SEALED_STEPS_MAX
from engine.messages.sales.sealed import Contents, Step
from engine.messages.sales.sealing import (
    KEY_BYTES,
    TAG_BYTES,
    BadCiphertext,
    BadContents,
    Place,
    commitment,
    fits,
    opened,
    seal,
)

KEY = bytes(range(KEY_BYTES))
HERE = Place(sale=7, account=3, lot=2)
BID = Contents((Step(2, 480, 10), Step(2, 450, 5)))


@given(steps=st.lists(st.builds(Step, st.integers(1, 1000), st.integers(1, 10**9), st.integers(1, 10**12)), max_size=9))
def test_it_opens_to_what_was_sealed(steps):
    key, contents = token_bytes(KEY_BYTES), Contents(tuple(steps))
    offer = seal(key, HERE, contents)
    assert fits(key, HERE, offer.commitment)
    assert opened(key, HERE, offer.ciphertext) == contents
    assert len(offer.ciphertext) % SEALED_BLOCK_BYTES == TAG_BYTES, "a length tells the number of blocks, no more"


def test_the_form_is_fixed():
    """Old logs hold such bytes: another release has to open them as this one does."""
    offer = seal(KEY, HERE, BID)
    assert offer.commitment.hex() == "2e9649b76bb98d20748d250b393f0ddde1f0297ee155e71d8034faeb0ad67eaa"
    assert offer.ciphertext[:16].hex() == "18b8423f3c7435d3de60bc6b3c418326"


def test_the_largest_bid_fits():
    steps = tuple(Step(1000, 10**9, 10**12) for _ in range(SEALED_STEPS_MAX))
    assert len(seal(KEY, HERE, Contents(steps)).ciphertext) <= SEALED_CIPHERTEXT_BYTES_MAX


@pytest.mark.parametrize(("sale", "account", "lot"), [(8, 3, 2), (7, 4, 2), (7, 3, 1), (7, 3, 0), (3, 7, 2)])
def test_it_cannot_be_passed_off_as_another(sale, account, lot):
    offer, elsewhere = seal(KEY, HERE, BID), Place(sale, account, lot)
    assert not fits(KEY, elsewhere, offer.commitment)
    with pytest.raises(BadCiphertext):
        opened(KEY, elsewhere, offer.ciphertext)


def test_a_key_commits_to_one_bid():
    offer = seal(KEY, HERE, BID)
    assert not fits(bytes(KEY_BYTES), HERE, offer.commitment)
    assert commitment(KEY, HERE) == offer.commitment


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_bit_of_it_can_be_changed(at, bit):
    changed = bytearray(seal(KEY, HERE, BID).ciphertext)
    changed[at % len(changed)] ^= 1 << bit
    with pytest.raises(BadCiphertext):
        opened(KEY, HERE, bytes(changed))


def sealed(plain: bytes) -> bytes:
    bound = b"qhatu-sealed-1" + b"".join(number.to_bytes(8) for number in HERE)
    return ChaCha20Poly1305(KEY).encrypt(bytes(12), plain, bound)


WELL = msgspec.msgpack.encode(BID)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\0\0",
        (5).to_bytes(4) + b"abc",  # longer than it is
        len(WELL).to_bytes(4) + WELL + b"\0\1",  # something hides in the padding
        (len(WELL) - 1).to_bytes(4) + WELL[:-1],
        (2).to_bytes(4) + msgspec.msgpack.encode([]) + b"\0",
        *((len(raw) .to_bytes(4) + raw) for raw in map(msgspec.msgpack.encode, (
            [[[0, 480, 1]]], [[[1, 0, 1]]], [[[1, 480, 0]]], [[[1, 480]]], [[[1, 480, 1, 1]]], [[[1, 4.5, 1]]],
            {"steps": []}, [[[1, 480, 1]] * (SEALED_STEPS_MAX + 1)],
        ))),
    ],
)  # fmt: skip
def test_what_is_no_bid(plain):
    with pytest.raises(BadContents):
        opened(KEY, HERE, sealed(plain))


def test_too_short_for_a_tag():
    with pytest.raises(BadCiphertext):
        opened(KEY, HERE, b"short")
