"""Everyone who acts in a season, with goods, lots and sizes handed out."""

from __future__ import annotations

from typing import NamedTuple

from gateway.config import Config
from gateway.demo.market import goods
from gateway.demo.offers import offers, usual_sizes
from gateway.demo.parties import Party, parties
from gateway.demo.sales import Bidder, Catalogue
from gateway.demo.traders import Coop, Importer, Trader


class Actor(NamedTuple):
    party: Party
    trader: Trader
    bidder: Bidder | None  # importers sit in the sale room too


def company(config: Config, seed: int, catalogue: Catalogue) -> list[Actor]:
    """Co-ops with something to offer and importers, by account."""
    season = config.season
    assert season is not None, "the configuration has a season"
    market, books = goods(config), offers(config)
    sizes = usual_sizes(config)
    traded = {symbol: good for symbol, good in market.items() if symbol in sizes}
    sellers = dict.fromkeys(sizes, 0)
    for made in books.values():
        for symbol in made:
            sellers[symbol] += 1
    actors = []
    everyone = parties(season, config.coffee)
    importers = [party for party in everyone if party.kind == "importer" and party.label != "Visitor"]
    for party in everyone:
        if party.account in books:
            made = books[party.account]
            keep = max(-(-season.offers_per_book // sellers[symbol]) for symbol in made)
            actors.append(Actor(party, Coop(seed, party.account, market, made, keep), None))
        elif party in importers:
            keep = -(-season.bids_per_book // season.importers)
            bidder = Bidder(seed, party.account, len(importers), importers.index(party), catalogue)
            actors.append(Actor(party, Importer(seed, party.account, traded, sizes, keep), bidder))
    return actors
