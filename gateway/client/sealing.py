"""Sealing a bid at home: the venue cannot read it before its bidder gives the key out.

    sealed = seal_bid(sale=7, account=12, steps=[(1, 480, 10)])       # (lot, price in ticks, bags)
    ... POST /v1/sales/7/bids with sealed.offer; keep sealed.key
    ... after the closing time, before keys are due: POST /v1/sales/7/keys with sealed.key

Who forgets the key has made no bid: keep it where it outlives the sale. A new bid takes a new key.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from secrets import token_bytes
from typing import NamedTuple

from engine.messages.sales.sealed import Contents, Step
from engine.messages.sales.sealing import KEY_BYTES, Place, seal


class SealedAtHome(NamedTuple):
    key: str  # hexadecimal; secret until the closing time
    offer: dict[str, object]  # as it is sent


def seal_bid(*, sale: int, account: int, steps: Iterable[tuple[int, int, int]], lot: int = 0) -> SealedAtHome:
    """Steps of (lot, price in ticks of the sale, bags); `lot` names the one lot of the bid, 0 hides which. Raises
    ValueError for more steps than a bid has room for."""
    key = token_bytes(KEY_BYTES)
    offer = seal(key, Place(sale, account, lot), Contents(tuple(Step(*step) for step in steps)))
    told: dict[str, object] = {
        "lot": lot,
        "ciphertext": b64encode(offer.ciphertext).decode(),
        "commitment": offer.commitment.hex(),
    }
    return SealedAtHome(key.hex(), told)
