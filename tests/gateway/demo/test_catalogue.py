"""The demo's goods are the real lots: all of them read, none used twice, every bag accounted for."""

from __future__ import annotations

from fractions import Fraction

import pytest

from engine.codes import Role
from engine.messages.sales.english import English, Step
from gateway.config import Config, default_path, load
from gateway.data.tables import FOLDER, lots, monthly_price, quinoa_price
from gateway.demo.catalogue import grade_of, groups, sale_lots, symbol_of
from gateway.demo.offers import offers, parts, usual_sizes
from gateway.demo.parties import OPERATOR, VISITOR, parties
from gateway.demo.rules import Grade
from gateway.demo.sales import Catalogue
from gateway.tokens import TOKEN, public_token, token_hash


@pytest.fixture(scope="module")
def config() -> Config:
    return load(default_path("demo"))


def test_all_913_lots_are_there() -> None:
    found = lots()
    assert len(found) == len({lot.lot_id for lot in found}) == 913
    assert sum(lot.bags for lot in found) == 156_183
    assert all(10 <= lot.bag_kg <= 100 and 30 <= lot.bags * lot.bag_kg <= 40_000 for lot in found)
    assert all(0 < lot.score <= 100 for lot in found)


def test_the_data_says_where_it_comes_from() -> None:
    sources = (FOLDER / "SOURCES.md").read_text(encoding="utf-8")
    for table in FOLDER.glob("*.csv"):
        rows = len(table.read_text(encoding="utf-8").splitlines()) - 1
        assert f"| `{table.name}` | {rows} |" in sources
    assert len(list((FOLDER / "licences").glob("*.txt"))) == 3


def test_reference_prices_are_those_of_the_tables() -> None:
    assert monthly_price("arabica_uscents_lb", "2026-05") == Fraction("315.25")
    assert monthly_price("cocoa_usd_t", "2025-01") == 10_750
    assert round(float(quinoa_price("2013")), 3) == 5.910
    for unknown in (lambda: monthly_price("tulips", "2026-05"), lambda: monthly_price("cocoa_usd_t", "1600-01")):
        with pytest.raises(KeyError):
            unknown()


def test_no_lot_has_two_uses(config: Config) -> None:
    assert config.coffee is not None and config.season is not None
    booked = [lot.lot_id for group in groups(config.coffee, config.season.sale) for lot in group.lots]
    auctioned = [lot.lot_id for lot in sale_lots(config.season.sale)]
    assert len(booked + auctioned) == len(set(booked + auctioned))
    assert len(booked) > 400 and len(auctioned) == 32


def test_groups_are_one_good_each_with_enough_of_it(config: Config) -> None:
    assert config.coffee is not None and config.season is not None
    found = groups(config.coffee, config.season.sale)
    assert 20 <= len(found) <= 28
    for group in found:
        assert group.bags >= config.coffee.bags_min and len(group.lots) >= config.coffee.lots_min
        for lot in group.lots:
            same = (lot.species, lot.country, lot.process, lot.bag_kg)
            assert same == (group.species, group.country, group.process, group.bag_kg)
            assert grade_of(lot.score, config.coffee.grades) == group.grade


def test_symbols_and_grades() -> None:
    assert symbol_of("Arabica", "Peru", "washed", "80", Fraction(69)) == "PE-WASHED-80-69KG"
    assert symbol_of("Robusta", "India", "semi-washed", "85", Fraction("45.5")) == "IN-ROBUSTA-SEMIWASHED-85-45.5KG"
    low, high = Grade(label="80", score_from="80"), Grade(label="85", score_from="85")
    for score, grade in [("79.99", None), ("80", low), ("84.99", low), ("85", high), ("90", high)]:
        assert grade_of(Fraction(score), (low, high)) is grade


@pytest.mark.parametrize(("bags", "most"), [(275, 150), (275, 5), (1, 40), (320, 320), (7, 3)])
def test_a_lot_in_parts_is_the_lot(bags: int, most: int) -> None:
    lot = lots()[0]._replace(bags=bags)
    made = parts(lot, most)
    sizes = [offer.bags for offer in made]
    assert sum(sizes) == bags and max(sizes) <= most and max(sizes) - min(sizes) <= 1 and min(sizes) >= 1


def test_every_bag_of_a_group_is_offered_once(config: Config) -> None:
    assert config.coffee is not None and config.season is not None
    given: dict[str, int] = {}
    for books in offers(config).values():
        for symbol, made in books.items():
            given[symbol] = given.get(symbol, 0) + sum(offer.bags for offer in made)
    for group in groups(config.coffee, config.season.sale):
        assert given[group.symbol] == group.bags
    assert given.keys() == {listing.body.symbol for listing in config.instruments} == usual_sizes(config).keys()


def test_instruments_quote_in_their_own_unit_and_currency(config: Config) -> None:
    bodies = {listing.body.symbol: listing.body for listing in config.instruments}
    coffee, quinoa = bodies["PE-WASHED-80-69KG"], bodies["QUINOA-QQ"]
    assert (coffee.price_unit, coffee.currency, coffee.reference) == ("USc/lb", "USD", 6305)
    assert (quinoa.price_unit, quinoa.currency, quinoa.reference) == ("PEN/kg", "PEN", 591)
    assert Fraction(quinoa.value_numerator, quinoa.value_denominator) == 100  # 0.01 PEN/kg x 100 kg = 1 PEN a tick
    assert bodies["COCOA-T"].reference == 4160 and bodies["BANANA-BOX"].lot_unit == "box of 18.14 kg"


def test_parties_have_keys_that_anyone_can_compute(config: Config) -> None:
    assert config.season is not None
    found = {party.account: party for party in parties(config.season, config.coffee)}
    assert found[OPERATOR].roles & Role.OPERATE and not found[OPERATOR].roles & Role.TRADE
    assert found[VISITOR].roles == Role.READ | Role.TRADE
    keys = {key.key_hash: key.account for key in config.keys}
    for party in found.values():
        assert TOKEN.fullmatch(party.token(config.venue))
        assert keys[token_hash(party.token(config.venue))] == party.account
    assert public_token("a") != public_token("b")


def test_sales_come_round_with_new_numbers(config: Config) -> None:
    catalogue = Catalogue(config)
    assert len({lot.lot.lot_id for sale in (1, 2, 3, 4) for lot in catalogue.lots_of(sale)}) == 32
    assert catalogue.lots_of(5) == catalogue.lots_of(1)
    opened, request = catalogue.open_sale(1, 10**18), catalogue.request(1)
    assert isinstance(opened.mechanism, English)
    assert (opened.mechanism.opening, opened.mechanism.increments, opened.unit.tick_size) == (80, (Step(0, 2),), "0.05")
    assert len(opened.lots) == len(request["lots"]) == 8  # type: ignore[arg-type]
    sellers = {party.account for party in parties(config.season, config.coffee) if party.kind == "coop"}  # type: ignore[arg-type]
    assert {lot.seller for lot in opened.lots} <= sellers
