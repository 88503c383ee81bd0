"""Who takes part in a season: accounts with numbers, and keys that anyone can compute (a demonstration's only)."""

from __future__ import annotations

from typing import NamedTuple

from engine.codes import Role
from engine.messages.bodies import AddKey, OpenAccount
from gateway.demo.catalogue import COUNTRY_CODES, groups, sale_lots
from gateway.demo.rules import CoffeeRule, Season
from gateway.tokens import public_token, token_hash

OPERATOR = 1
VISITOR = 2  # the account behind the trader link that the demo prints
FIRST_COOP = 100
FIRST_IMPORTER = 500
_CITIES = (
    "Antwerp", "Hamburg", "Trieste", "New York", "Seattle", "Oslo", "Yokohama", "Melbourne", "Barcelona", "Le Havre",
    "Montréal", "London", "Genoa", "Rotterdam", "Busan", "Oakland", "Bremen", "Helsinki", "Zürich", "New Orleans",
    "Gothenburg", "Vancouver", "Marseille", "Dublin", "Taipei", "Lisbon", "Portland", "Athens", "Vienna", "Boston",
)  # fmt: skip


class Party(NamedTuple):
    account: int
    label: str
    kind: str  # coop, importer, operator, other
    origin: str  # country of a co-op, "" of others
    roles: int

    def token(self, venue: str) -> str:
        return public_token(f"{venue}/{self.account}")


def parties(season: Season, coffee: CoffeeRule | None) -> list[Party]:
    """Operator, visitor, co-ops for each origin in books or sales, importers: by account number."""
    trade = Role.READ | Role.TRADE
    origins = {group.country for group in groups(coffee, season.sale)} if coffee else set()
    origins |= {harvest.origin for harvest in season.harvests}
    origins |= {lot.country for lot in sale_lots(season.sale)}
    found = [
        Party(OPERATOR, "Venue operator", "operator", "", Role.READ | Role.OPERATE | Role.ADMIN),
        Party(VISITOR, "Visitor", "importer", "", trade),
    ]
    account = FIRST_COOP
    for origin in sorted(origins):
        for number in range(1, season.coops_per_origin + 1):
            found.append(Party(account, f"Co-op {COUNTRY_CODES[origin]}-{number}", "coop", origin, trade))
            account += 1
    for number in range(season.importers):
        found.append(Party(FIRST_IMPORTER + number, f"Importer {_CITIES[number]}", "importer", "", trade))
    return found


def registers(venue: str, season: Season, coffee: CoffeeRule | None) -> tuple[list[OpenAccount], list[AddKey]]:
    """The parties as commands."""
    everyone = parties(season, coffee)
    accounts = [OpenAccount(party.account, party.label, party.kind) for party in everyone]
    keys = [AddKey(token_hash(party.token(venue)), party.account, int(party.roles)) for party in everyone]
    return accounts, keys
