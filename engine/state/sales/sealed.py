"""State of a sale by sealed bids. All of it is secret until bids are opened, the number of bids too."""

from __future__ import annotations

from msgspec import Struct, field

from engine.limits import SALE_LOTS_MAX
from engine.messages.sales.sealed import Step

_SLOTS = SALE_LOTS_MAX + 1


def slot_of(account: int, lot: int) -> int:
    """Where an account has one bid: each lot, and 0."""
    return account * _SLOTS + lot


class Envelope(Struct):
    """A bid that counts until it is void. Its contents are known once its key has come."""

    seq: int  # of its command
    account: int
    lot: int  # 0: any
    ciphertext: bytes  # empty when the lots are sold: the log has it
    commitment: bytes
    steps: tuple[Step, ...] | None = None  # None: not opened. What is void in it is left out
    void: int = 0  # Reason; 0: it counts
    key_refused: bool = False  # a key came that does not fit


class Part(Struct, frozen=True):
    """Bags of a lot that were sold together."""

    account: int
    price: int
    bags: int


class SealedLot(Struct):
    parts: list[Part] = field(default_factory=list)
    passed_in: int = 0  # bags


class SealedState(Struct, tag="sealed"):
    lots: list[SealedLot]
    closes_ns: int
    keys_due_ns: int = 0  # 0: bids are taken, or all is done
    timer: int = 0  # of the one or the other
    closed: bool = False
    bids: dict[int, Envelope] = field(default_factory=dict)  # by sequence
    slots: dict[int, int] = field(default_factory=dict)  # `slot_of` -> sequence of the bid there
    bytes_of: dict[int, int] = field(default_factory=dict)  # account -> of ciphertext
