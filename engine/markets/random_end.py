"""The random end of a call: when its uncross comes is decided by a seed that was committed to before.

    commitment   BLAKE2b-256(seed), told when the calendar's entry is taken
    end          announced due + BLAKE2b-256(seed, instrument u4, announced due i8) mod window, all little-endian, in ns
    seed         told at the uncross, or when the entry is given up: from then on anyone can check both

An outage moves the end as much as the announced time, which stays the one that was hashed. Until it is there, only the
log and the state know the seed: `Venue.moves` shows the announced time and the window.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

from engine.codes import EventKind
from engine.markets.turn import Turn
from engine.state.venue import Timer

SEED_BYTES = 32
_ABOUT = Struct("<Iq")
_WORDS = Struct("<4q")


def commitment(seed: bytes) -> bytes:
    """32 bytes that bind whoever chose the seed."""
    return blake2b(seed, digest_size=32).digest()


def end_ns(seed: bytes, instrument: int, announced_ns: int, random_ns: int) -> int:
    """Venue time of the uncross, in [announced_ns, announced_ns + random_ns)."""
    drawn = blake2b(seed + _ABOUT.pack(instrument, announced_ns), digest_size=32).digest()
    return announced_ns + int.from_bytes(drawn, "little") % random_ns


def told(turn: Turn, kind: EventKind, instrument: int, content: bytes) -> None:
    """Emit an event that carries 32 bytes."""
    order, counter_order, qty, leaves = _WORDS.unpack(content)
    turn.emit(kind, instrument=instrument, order=order, counter_order=counter_order, qty=qty, leaves=leaves)


def content_of(order: int, counter_order: int, qty: int, leaves: int) -> bytes:
    """The 32 bytes that SEED_COMMITTED or SEED_REVEALED carries in these fields."""
    return _WORDS.pack(order, counter_order, qty, leaves)


def commit(turn: Turn, timer: Timer) -> None:
    turn.emit(EventKind.RANDOM_END, instrument=timer.subject, leaves=timer.announced_ns, qty=timer.random_ns)
    told(turn, EventKind.SEED_COMMITTED, timer.subject, commitment(timer.seed))


def reveal(turn: Turn, timer: Timer) -> None:
    """Where the timer has a seed."""
    if timer.seed:
        told(turn, EventKind.SEED_REVEALED, timer.subject, timer.seed)
