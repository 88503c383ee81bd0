"""The state hash: BLAKE2b-128 over the logical content of the whole venue, the same bytes from every implementation.

Hot parts come from `Hot.canonical()`; cold registers follow, each sorted by its key and packed deterministically. What
is only layout (free lists, capacities, order of insertion) is never seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import structs

from engine.state.hot import Hot
from engine.state.sales import Sale
from engine.state.venue import Venue

STATE_HASH_BYTES = 16


def _plain(value: Any) -> Any:
    """What msgpack has no type for."""
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    raise TypeError(f"{type(value).__name__} has no canonical form")


_ENCODER = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_plain)


def _sale(sale: Sale) -> dict[str, Any]:
    """A sale with the maxima of its lots by account."""
    lots = [structs.asdict(lot) | {"maxima": sorted(lot.maxima.items())} for lot in sale.lots]
    return structs.asdict(sale) | {"lots": lots}


def cold_sections(venue: Venue) -> Iterator[tuple[str, bytes]]:
    """Named cold registers in a fixed order."""
    sections: dict[str, Any] = {
        "config": [venue.name, venue.config_digest],
        "accounts": [venue.accounts[key] for key in sorted(venue.accounts)],
        "keys": [[key, venue.keys[key]] for key in sorted(venue.keys)],
        "revoked_keys": sorted(venue.revoked_keys),
        "instruments": [asdict(venue.instruments[key]) for key in sorted(venue.instruments)],
        "calendars": sorted(venue.calendars.items()),
        "schedule_keys": sorted(venue.schedule_keys),
        "timers": [venue.timers.last_id, list(venue.timers)],
        "sales": [_sale(venue.sales[key]) for key in sorted(venue.sales)],
        "remembered": [[key, venue.remembered[key]] for key in sorted(venue.remembered)],
    }
    for name, content in sections.items():
        yield name, _ENCODER.encode(content)


def state_hash(seq: int, ts_ns: int, hot: Hot, venue: Venue) -> bytes:
    """16 bytes. Each part is bound to its name and length, so that content cannot move between parts unseen."""
    digest = blake2b(digest_size=STATE_HASH_BYTES)
    digest.update(_ENCODER.encode(["qhatu-state-1", seq, ts_ns]))
    for part in (hot.canonical(), cold_sections(venue)):
        for name, content in part:
            digest.update(_ENCODER.encode([name, len(content)]))
            digest.update(content)
    return digest.digest()
