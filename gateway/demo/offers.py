"""Which co-op offers which part of which real lot, book by book."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from gateway.config import Config
from gateway.data.tables import Lot
from gateway.demo.catalogue import groups
from gateway.demo.parties import parties


class Offer(NamedTuple):
    lot_id: str  # "" where no table of real lots exists
    bags: int  # lots of the instrument


def parts(lot: Lot, bags_max: int) -> list[Offer]:
    """A lot in as few parts of at most `bags_max` bags as possible, as equal as possible. Their sum is the lot."""
    count = -(-lot.bags // bags_max)
    return [Offer(lot.lot_id, (lot.bags + number) // count) for number in range(count)]


def offers(config: Config) -> dict[int, dict[str, tuple[Offer, ...]]]:
    """Account -> symbol -> offers in order. Lots of a group go to the co-ops of its origin in turn."""
    season = config.season
    assert season is not None, "the configuration has a season"
    coops: dict[str, list[int]] = defaultdict(list)
    for party in parties(season, config.coffee):
        if party.kind == "coop":
            coops[party.origin].append(party.account)
    found: dict[int, dict[str, list[Offer]]] = defaultdict(lambda: defaultdict(list))
    for group in groups(config.coffee, season.sale) if config.coffee else []:
        sellers, bags_max = coops[group.country], -(-group.bags // season.offers_per_season)
        for number, lot in enumerate(group.lots):
            found[sellers[number % len(sellers)]][group.symbol] += parts(lot, bags_max)
    for harvest in season.harvests:
        sellers = coops[harvest.origin]
        for number in range(harvest.offers):
            found[sellers[number % len(sellers)]][harvest.symbol].append(Offer("", harvest.lots_per_offer))
    return {
        account: {symbol: tuple(made) for symbol, made in sorted(books.items())}
        for account, books in sorted(found.items())
    }


def usual_sizes(config: Config) -> dict[str, int]:
    """Symbol -> mean quantity of an offer: what buyers take as the size of an order."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for books in offers(config).values():
        for symbol, made in books.items():
            sizes[symbol] += [offer.bags for offer in made]
    return {symbol: max(1, sum(bags) // len(bags)) for symbol, bags in sizes.items()}
