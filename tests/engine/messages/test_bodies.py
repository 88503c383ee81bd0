"""Bodies of cold commands: what is encoded comes back, what is not well formed is refused by its type."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.codes import COLD_FIRST, CommandKind
from engine.domain.auction_lots import AuctionLot
from engine.messages import bodies
from engine.messages.sales.after import AskAllowance, Share
from engine.messages.sales.english import EnglishOffer
from engine.messages.sales.sealed import BidKey, SealedOffer
from tests.recorder import T0_NS, auction_sale, coffee

EXAMPLES = [
    bodies.Time(),
    bodies.Resume(1, 2),
    bodies.Skip(7, "bad bid"),
    bodies.Genesis(b"g" * 16, "qhatu"),
    bodies.Generation(1, 2, b"b" * 16, b"a" * 16, "0.2.0"),
    bodies.KillSwitch(True, "drill", cancel=True),
    bodies.OpenAccount(1, "co-op", "coop"),
    bodies.AddKey(b"k" * 32, 1, 3),
    bodies.RevokeKey(b"k" * 32),
    coffee(attributes={"process": "washed", "origin": "Perú"}),
    bodies.SetReference(1, None),
    bodies.SetAccount(1, group=7, frozen=True),
    bodies.SetLimits(1, "USD", buy_max=10**12, orders_max=100),
    bodies.Deposit(1, 1, -40),
    bodies.ChangeInstrument(1, name="Peru washed, new crop", collar_bps=500),
    bodies.DelistInstrument(1, "no harvest"),
    bodies.SetPhase(1, 2),
    bodies.Uncross(1, 5, force=True),
    bodies.Schedule(
        1,
        1,
        (
            bodies.ScheduleEntry(5, 2),
            bodies.ScheduleEntry(6, 5, True, random_ns=30, seed=b"s" * 32),
            bodies.ScheduleEntry(7, 0, day_end=True),
        ),
    ),
    bodies.MassCancel(3, 1, 0, by_operator=True),
    bodies.CancelAfter(60 * 10**9),
    bodies.BustTrade(40, 2, 1, 6_705, 10, 2, 3, "a slip of the finger"),
    bodies.CorrectTrade(40, 2, 1, 6_705, 10, 2, 3, 6_700, 8),
    auction_sale(T0_NS),
    bodies.Bid(1, EnglishOffer(1, 400)),
    bodies.EndSale(1),
    bodies.Register(1, b"a" * 32),
    bodies.Admit(1, 2, True, 10**9),
    bodies.DecideBid(1, 44, False, "a slip of the finger"),
    bodies.Bid(1, SealedOffer(0, b"c" * 272, b"h" * 32)),
    bodies.OpenBids(1, (BidKey(44, b"k" * 32),), by_operator=True),
    bodies.Propose(1, b"p" * 16, 0, (0, 2), solver="highs 1.11"),
    bodies.Settle(1, AskAllowance(390, "moisture")),
    bodies.Split(1, (Share(4, account=2), Share(6, label="a roaster"))),
    bodies.DefineSeason(
        1, 1, "Harvest 2026", ("coffee_green",), "2026-05-01", "2026-12-31", (1,), "2026-08-01", "2027-01-31"
    ),
    bodies.DescribeLot(1, 1, 2, AuctionLot(product="coffee_green", country="PE", bags=10, bag_grams=69_000)),
    bodies.VoidSale(1, "the wrong lots"),
]


def test_every_cold_kind_has_a_body_and_an_example():
    assert set(bodies.BODIES) == {kind for kind in CommandKind if kind >= COLD_FIRST}
    assert {type(example) for example in EXAMPLES} == set(bodies.BODIES.values())


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).__name__)
def test_a_body_survives_the_record(body):
    kind = bodies.kind_of(body)
    assert bodies.decode_body(kind, bodies.encode_body(body)) == body


@pytest.mark.parametrize(
    "body",
    [
        coffee(symbol="lower"),
        coffee(symbol="AB\n"),
        coffee(tick_size="0.05\n"),
        coffee(tick_size="٠٫٥"),
        coffee(tick_size="1e-2"),
        coffee(currency="usd"),
        coffee(value_denominator=0),
        coffee(price_max=10**9 + 1),
        coffee(multiplier=0),
        bodies.OpenAccount(0, "none"),
        bodies.AddKey(b"k" * 31, 1, 3),
        bodies.AddKey(b"k" * 32, 1, 16),
        bodies.Bid(1, EnglishOffer(0, 400)),
        bodies.Bid(1, EnglishOffer(1, 10**9 + 1)),
        bodies.Schedule(1, 1, ()),
        bodies.Schedule(1, 1, (bodies.ScheduleEntry(6, 5, True, random_ns=limits.RANDOM_END_NS_MAX + 1),)),
        bodies.Schedule(1, 1, (bodies.ScheduleEntry(6, 5, True, seed=b"s" * 33),)),
        coffee(collar_floor=-1),
        coffee(collar_bps=limits.COLLAR_BPS_MAX + 1),
        coffee(extension_ns=limits.EXTENSION_NS_MAX + 1),
        coffee(extensions_max=limits.EXTENSIONS_MAX + 1),
        coffee(widen_bps=limits.WIDEN_BPS_MAX + 1),
        coffee(after_extensions="hope"),
        bodies.SetAccount(1, group=-1),
        bodies.SetLimits(1, "usd"),
        bodies.SetLimits(1, "USD", buy_max=limits.NOTIONAL_MAX + 1),
        bodies.SetLimits(1, "USD", sell_max=-1),
        bodies.SetLimits(1, "USD", orders_max=limits.ORDERS_MAX + 1),
        bodies.Deposit(1, 1, limits.SIDE_TOTAL_LOTS_MAX + 1),
        bodies.ChangeInstrument(1, qty_max=0),
        bodies.MassCancel(side=2),
        bodies.CancelAfter(limits.CANCEL_AFTER_NS_MAX + 1),
        bodies.BustTrade(0, 0, 1, 1, 1, 1, 2),
        bodies.CorrectTrade(1, 0, 1, 1, 1, 1, 2, 1, 0),
        bodies.Genesis(b"short", "qhatu"),
    ],
    ids=repr,
)
def test_a_field_out_of_its_bounds_is_refused(body):
    with pytest.raises(msgspec.ValidationError):
        bodies.decode_body(bodies.kind_of(body), bodies.encode_body(body))


@given(kind=st.sampled_from(list(bodies.BODIES)), raw=st.binary(max_size=80))
def test_any_bytes_are_a_body_or_refused(kind, raw):
    try:
        body = bodies.decode_body(kind, raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    assert bodies.decode_body(kind, bodies.encode_body(body)) == body


def test_an_unknown_kind_has_no_body():
    with pytest.raises((KeyError, ValueError)):
        bodies.decode_body(200, b"\x90")
