"""The state hash: BLAKE2b-128 over the logical content of the whole venue, the same bytes from every implementation.

Hot parts come from `Hot.canonical()`; cold registers follow, each sorted by its key and packed deterministically. What
is only layout (free lists, capacities, order of insertion) is never seen. The generation of the rules is part of it:
what a state means depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain

import msgspec

from engine.codes import GENERATION
from engine.state.cold import cold_sections
from engine.state.hot import Hot
from engine.state.venue import Venue

STATE_HASH_BYTES = 16
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def state_hash(seq: int, ts_ns: int, hot: Hot, venue: Venue) -> bytes:
    """16 bytes of a state under this release's rules."""
    return hash_of(GENERATION, seq, ts_ns, chain(hot.canonical(), cold_sections(venue)))


def hash_of(generation: int, seq: int, ts_ns: int, parts: Iterable[tuple[str, bytes]]) -> bytes:
    """16 bytes. Each part is bound to its name and length, so that content cannot move between parts unseen."""
    digest = blake2b(digest_size=STATE_HASH_BYTES)
    digest.update(_ENCODER.encode([f"qhatu-state-{generation}", seq, ts_ns]))
    for name, content in parts:
        digest.update(_ENCODER.encode([name, len(content)]))
        digest.update(content)
    return digest.digest()
