"""Sealed bids: the terms of such a sale, a bid as it travels, and what is inside it when it is opened."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from engine import limits
from engine.messages.body import Body, LotNumber, PositiveTicks, QtyLots, SaleId, TimeNs


class Payment(StrEnum):
    """What a winner pays. The first two sell each lot whole, the others bag by bag."""

    FIRST_PRICE = "first_price"  # its own price
    VICKREY = "vickrey"  # the second highest price, or the reserve
    UNIFORM = "uniform_lowest_winning"  # all pay the lowest price that won
    UNIFORM_LOSING = "uniform_highest_losing"  # all pay the highest price that did not
    DISCRIMINATORY = "discriminatory"  # each its own prices


WHOLE = frozenset({Payment.FIRST_PRICE, Payment.VICKREY})


class Sealed(Body, frozen=True, tag="sealed"):
    """Bids are ciphertext until `closes_ns`; their keys are due within `keys_ns` after it."""

    payment: Payment
    closes_ns: TimeNs
    keys_ns: Annotated[int, Meta(ge=limits.SEALED_KEYS_NS_MIN, le=limits.SEALED_KEYS_NS_MAX)]
    opening: PositiveTicks  # lowest price, where the lot names none
    step: PositiveTicks = 1  # prices are opening + k x step
    bag_step: QtyLots = 1  # of lots sold bag by bag: bags come in multiples of it
    # Of a bid whose key has not come when `keys_ns` are over: it alone is void, or no lot of the sale is sold.
    without_key: Literal["void_bid", "sell_nothing"] = "void_bid"


class SealedOffer(Body, frozen=True, tag="sealed"):
    """One bid. It replaces the account's bid under the same `lot` number, until bids close."""

    lot: Annotated[int, Meta(ge=0, le=limits.SALE_LOTS_MAX)]  # 0: what is inside may name any lots
    ciphertext: Annotated[bytes, Meta(min_length=1, max_length=limits.SEALED_CIPHERTEXT_BYTES_MAX)]
    commitment: Annotated[bytes, Meta(min_length=32, max_length=32)]  # to the key: `engine/messages/sales/sealing.py`


class Step(Body, frozen=True):
    """So many bags of a lot at this price each, beside the account's other steps."""

    lot: LotNumber
    price: PositiveTicks
    bags: QtyLots


class Contents(Body, frozen=True):
    """What is inside a bid. No step: the account bids nothing, as if it had not."""

    steps: Annotated[tuple[Step, ...], Meta(max_length=limits.SEALED_STEPS_MAX)]


class BidKey(Body, frozen=True):
    bid: Annotated[int, Meta(ge=1, le=2**63 - 1)]  # sequence number of the BID
    key: Annotated[bytes, Meta(min_length=32, max_length=32)]


class OpenBids(Body, frozen=True):
    """Keys of bids, after bids closed: an account's for its own, the operator's for any. In parts, in any order."""

    sale: SaleId
    keys: Annotated[tuple[BidKey, ...], Meta(min_length=1, max_length=limits.SEALED_KEYS_PER_COMMAND_MAX)]
    by_operator: bool = False  # gateways let operators say so, nobody else
