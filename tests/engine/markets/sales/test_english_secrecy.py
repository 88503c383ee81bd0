"""Reserves, maxima, waiting bids and bounds: no other party is told of them, whatever happens in the sale."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np
import pytest

from engine.codes import EventKind, Reason
from engine.markets.sales import views
from engine.messages import bodies
from engine.messages.rows import EVENT
from engine.messages.sales.terms import SaleLot
from engine.messages.views import account_view, operator_view, public_view
from tests.engine.markets.sales.room import FOURTH, SELLER, THIRD, A, Room, Z, why
from tests.recorder import bid_of

OWNER = A
MAXIMUM, RAISED, WAITING, NEARLY, RESERVE = 777_770, 788_880, 666_660, 444_430, 444_440
LIMIT = 123_456_789_123
TEXTS = {MAXIMUM: "7777.70", RAISED: "7888.80", WAITING: "6666.60", NEARLY: "4444.30", RESERVE: "4444.40"}


def history(approve_bids: bool) -> tuple[Room, np.ndarray]:
    """Secrets of OWNER and of the seller, in a sale in which others bid by chance; lot 1 is OWNER's, 2 passes in."""
    lots = (
        SaleLot(SELLER, "led by a secret", 10, 30_000),
        SaleLot(SELLER, "with a reserve", 10, 30_000, reserve=RESERVE),
        SaleLot(SELLER, "divided", 10, 30_000, least_bags=2),
    )
    room = Room(plan=lots, approve_bids=approve_bids, prebids_s=10, live_s=20)
    events = [room.opened, room.do(bodies.Admit(1, OWNER, True, LIMIT)), room.do(bodies.Time(), after_s=10)]
    random, waiting = Random(7), []

    def bid(account: int, lot: int, maximum: int, **offer: int) -> None:
        events.append(room.bid(account, lot, maximum, after_s=random.choice((0, 0, 1)), **offer))
        if approve_bids and why(events[-1]) == Reason.NONE:
            waiting.append(room.seq)
            if maximum != WAITING:
                events.append(room.do(bodies.DecideBid(1, waiting[-1], True)))

    bid(OWNER, 1, MAXIMUM)
    bid(OWNER, 1, RAISED)
    bid(OWNER, 3, MAXIMUM, bags=6)
    events.append(room.do(bodies.Time(), after_s=10))
    bid(OWNER, 2, NEARLY)
    if approve_bids:
        bid(OWNER, 2, WAITING)
    for _ in range(60):
        bid(random.choice((Z, THIRD)), random.choice((1, 2, 3)), 400 + 10 * random.randrange(60), bags=0)
    bid(OWNER, 1, MAXIMUM)
    events.append(room.do(bodies.Time(), after_s=700))
    events.append(room.do(bodies.Time(), after_s=200))
    return room, np.concatenate(events)


@pytest.mark.parametrize("approve_bids", [False, True])
@pytest.mark.parametrize("account", [None, Z, THIRD, FOURTH])
def test_nothing_secret_is_told_to_others(approve_bids, account):
    room, events = history(approve_bids)
    seen = public_view(events) if account is None else account_view(events, account)
    numbers = {int(value) for name in EVENT.names or () for value in seen[name]}
    secrets = {*TEXTS, LIMIT}
    assert not numbers & secrets, numbers & secrets
    shown = views.public_view(room.sale) if account is None else views.account_view(room.sale, account)
    text = msgspec.json.encode(shown).decode()
    assert not [one for one in TEXTS.values() if one in text] and "1234567891.23" not in text


def test_its_parties_are_told():
    room, events = history(approve_bids=True)
    own = account_view(events, OWNER)
    assert {MAXIMUM, RAISED, WAITING} <= set(own["price"].tolist())
    text = msgspec.json.encode(views.account_view(room.sale, OWNER)).decode()
    assert TEXTS[MAXIMUM] in text and "1234567891.23" in text
    assert TEXTS[RESERVE] in msgspec.json.encode(views.account_view(room.sale, SELLER)).decode()
    assert TEXTS[RESERVE] not in text


def test_the_operator_sees_reserves_and_bids_that_wait_and_no_maximum():
    room = Room(plan=(SaleLot(SELLER, "one", 10, 30_000, reserve=RESERVE),), approve_bids=True)
    events = [room.bid(A, 1, MAXIMUM), room.do(bodies.DecideBid(1, room.seq, True)), room.bid(Z, 1, RAISED)]
    shown = views.operator_view(room.sale)
    text = msgspec.json.encode(shown).decode()
    assert TEXTS[RESERVE] in text and TEXTS[MAXIMUM] not in text and TEXTS[RAISED] not in text
    assert shown.market.waiting == ((room.seq, Z, 1, 0),)  # type: ignore[attr-defined]
    told = operator_view(np.concatenate(events))
    assert not {MAXIMUM, RAISED} & set(told["price"].tolist())
    assert EventKind.BID_WAITS in told["kind"]


def test_a_reserve_that_is_shown_is_shown():
    room = Room(plan=(SaleLot(SELLER, "one", 10, 30_000, reserve=RESERVE, reserve_shown=True),))
    assert TEXTS[RESERVE] in msgspec.json.encode(views.public_view(room.sale)).decode()


def test_worlds_that_differ_in_a_reserve_that_nobody_reaches_look_alike():
    """And in bids that wait."""
    told = []
    for reserve, waits in ((RESERVE, 500), (RESERVE + 10, 550)):
        room = Room(plan=(SaleLot(SELLER, "one", 10, 30_000, reserve=reserve),), approve_bids=True)
        events = [room.opened, room.bid(Z, 1, 430), room.do(bodies.DecideBid(1, room.seq, True))]
        events += [room.bid(A, 1, waits), room.do(bid_of(Z, 1, 900), after_s=5), room.do(bodies.Time(), after_s=600)]
        shown = [msgspec.json.encode(views.public_view(room.sale)), views.account_view(room.sale, THIRD)]
        told.append((public_view(np.concatenate(events)).tobytes(), shown))
    assert told[0] == told[1]
