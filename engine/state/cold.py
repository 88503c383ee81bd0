"""Cold registers as named sections of bytes, and back: what snapshots keep and the state hash reads.

Each section is sorted by its key and packed deterministically, so that equal registers are equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import msgspec

from engine.domain.instruments import Instrument
from engine.state.canonical_form import ordered
from engine.state.catalogue import Described, Season
from engine.state.sales.awards import Award
from engine.state.sales.sale import Sale
from engine.state.venue import (
    Account,
    AccountLimits,
    Correction,
    Extension,
    Held,
    Key,
    Remembered,
    Stop,
    Timer,
    Timers,
    Venue,
)


def _plain(value: Any) -> Any:
    """What msgpack has no type for."""
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _rich(kind: type, value: Any) -> Any:
    if kind is Fraction:
        return Fraction(*value)
    raise TypeError(f"{kind.__name__} has no canonical form")


_PLAIN = msgspec.msgpack.Encoder()  # of what is in order
_ENCODER = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_plain)


def cold_sections(venue: Venue) -> Iterator[tuple[str, bytes]]:
    """Named cold registers in a fixed order."""
    sections: dict[str, Any] = {
        "config": [venue.name, venue.config_digest],
        "accounts": [venue.accounts[key] for key in sorted(venue.accounts)],
        "keys": [[key, venue.keys[key]] for key in sorted(venue.keys)],
        "revoked_keys": sorted(venue.revoked_keys),
        "account_limits": [[key, venue.account_limits[key]] for key in sorted(venue.account_limits)],
        "currencies": sorted(venue.currencies.items()),
        "instruments": [asdict(venue.instruments[key]) for key in sorted(venue.instruments)],
        "delisted": [asdict(venue.delisted[key]) for key in sorted(venue.delisted)],
        "calendars": sorted(venue.calendars.items()),
        "schedule_keys": sorted(venue.schedule_keys),
        "timers": [venue.timers.last_id, list(venue.timers)],
        "stop": [venue.stop, venue.timers.held],
        "extensions": [[key, venue.extensions[key]] for key in sorted(venue.extensions)],
        "cancel_after": sorted(venue.cancel_after.items()),
        "corrections": [[key, venue.corrections[key]] for key in sorted(venue.corrections)],
        "sales": ordered([venue.sales[key] for key in sorted(venue.sales)]),
        "awards": ordered([venue.awards[key] for key in sorted(venue.awards)]),
        "auction_lots": [venue.auction_lots[key] for key in sorted(venue.auction_lots)],
        "seasons": [venue.seasons[key] for key in sorted(venue.seasons)],
        "remembered": [[key, venue.remembered[key]] for key in sorted(venue.remembered)],
    }
    for name, content in sections.items():
        yield name, (_PLAIN if name in ("sales", "awards") else _ENCODER).encode(content)


def venue_of(sections: Mapping[str, bytes]) -> Venue:
    """The registers that `cold_sections` told. Raises msgspec.DecodeError or KeyError when they are not."""

    def read(name: str, kind: Any) -> Any:
        return msgspec.msgpack.decode(sections[name], type=kind, dec_hook=_rich)

    venue = Venue()
    venue.name, venue.config_digest = read("config", tuple[str, bytes])
    venue.accounts = {account.account: account for account in read("accounts", list[Account])}
    venue.keys = dict(read("keys", list[tuple[bytes, Key]]))
    venue.revoked_keys = read("revoked_keys", set[bytes])
    venue.account_limits = dict(read("account_limits", list[tuple[tuple[int, int], AccountLimits]]))
    venue.currencies = dict(read("currencies", list[tuple[str, int]]))
    venue.instruments = {listing.instrument: listing for listing in read("instruments", list[Instrument])}
    venue.delisted = {listing.instrument: listing for listing in read("delisted", list[Instrument])}
    for listings in (venue.instruments, venue.delisted):
        venue.by_symbol |= {listing.symbol: number for number, listing in listings.items()}
    venue.calendars = dict(read("calendars", list[tuple[int, int]]))
    venue.schedule_keys = read("schedule_keys", set[tuple[int, int, int]])
    venue.stop, held = read("stop", tuple[Stop | None, list[Held]])
    last_id, timers = read("timers", tuple[int, list[Timer]])
    venue.timers = Timers.restored(last_id, timers, held, venue.stop is not None)
    venue.extensions = dict(read("extensions", list[tuple[int, Extension]]))
    venue.cancel_after = dict(read("cancel_after", list[tuple[int, int]]))
    venue.corrections = dict(read("corrections", list[tuple[tuple[int, int], Correction]]))
    venue.sales = {sale.sale: sale for sale in read("sales", list[Sale])}
    venue.awards = {award.number: award for award in read("awards", list[Award])}
    venue.auction_lots = {entry.number: entry for entry in read("auction_lots", list[Described])}
    venue.seasons = {season.season: season for season in read("seasons", list[Season])}
    venue.recall(dict(read("remembered", list[tuple[tuple[int, int, int, int], Remembered]])))
    return venue
