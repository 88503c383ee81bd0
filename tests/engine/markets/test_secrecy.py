"""A maximum exists in its owner's view alone: canaries, and worlds that differ only in what is secret."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.codes import EventKind
from engine.machine import Machine
from engine.markets.sales import views
from engine.messages import bodies
from engine.messages.rows import EVENT
from engine.messages.views import Reader, account_view, operator_view, public_view, view
from engine.oracle.books import Books
from tests.recorder import Recorder, auction_sale, bid_of, open_venue

SELLER, OWNER, RIVAL, STRANGER = 1, 2, 3, 4
CANARY = 777_770
REFUSED_CANARY = 888_885
OTHERS = [Reader(), Reader(SELLER), Reader(RIVAL), Reader(STRANGER), Reader(operator=True), Reader(RIVAL, True)]


def on_sale() -> Recorder:
    recorder = Recorder(Machine(Books()))
    open_venue(recorder)
    recorder.do(auction_sale(recorder.ts_ns))
    return recorder


def canary_history() -> tuple[Recorder, np.ndarray]:
    """The owner's maximum is set, raised, defended, refused once; the sale runs to its end."""
    recorder = on_sale()
    events = [
        recorder.do(bid_of(OWNER, 1, CANARY - 100)),
        recorder.do(bid_of(OWNER, 1, CANARY, client_id="canary")),
        recorder.do(bid_of(OWNER, 1, CANARY, client_id="canary")),
        recorder.do(bid_of(OWNER, 1, REFUSED_CANARY)),
        recorder.do(bid_of(RIVAL, 1, 500), bid_of(RIVAL, 2, 500)),
        recorder.do(bid_of(RIVAL, 1, 600), after_s=20),
        recorder.do(bid_of(OWNER, 2, CANARY), after_s=20),
        recorder.do(bodies.Time(), after_s=200),
        recorder.do(bid_of(OWNER, 1, REFUSED_CANARY)),
    ]
    return recorder, np.concatenate(events)


@pytest.mark.parametrize("reader", OTHERS, ids=str)
def test_no_canary_in_any_event_of_another_reader(reader):
    _, events = canary_history()
    secrets = {CANARY, CANARY - 100, REFUSED_CANARY}
    seen = [shown for event in events if (shown := view(event, reader))]
    assert not secrets & {value for shown in seen for value in shown.values()}
    arrays = [public_view(events)]
    arrays += [operator_view(events)] if reader.operator else []
    arrays += [account_view(events, reader.account)] if reader.account else []
    for array in arrays:
        assert not secrets & {int(value) for name in EVENT.names for value in array[name]}


def test_its_owner_sees_it():
    recorder, events = canary_history()
    own = account_view(events, OWNER)
    assert CANARY in own["price"][own["kind"] == EventKind.BID_ACCEPTED]
    assert views.account_view(recorder.machine.venue.sales[1], OWNER).market.lots[0].your_maximum == "7777.70"


@pytest.mark.parametrize("account", [None, SELLER, RIVAL, STRANGER])
def test_no_canary_in_another_view_of_the_sale(account):
    recorder, _ = canary_history()
    sale = recorder.machine.venue.sales[1]
    shown = views.public_view(sale) if account is None else views.account_view(sale, account)
    text = msgspec.json.encode(shown).decode()
    assert not any(secret in text for secret in ("7777.7", "7776.7", "777770", "777670", "8888.85", "888885"))


BIDS = st.lists(
    st.tuples(st.sampled_from([RIVAL, STRANGER]), st.integers(1, 2), st.integers(0, 20).map(lambda k: 400 + 10 * k)),
    max_size=12,
)
MAXIMA = st.integers(700, 900).map(lambda k: 10 * k)  # all far above what the others bid


@given(first=MAXIMA, second=MAXIMA, raises=st.lists(MAXIMA, max_size=3), bids=BIDS, at=st.integers(0, 12))
@settings(max_examples=150, deadline=None)
def test_worlds_that_differ_in_a_secret_look_alike(first, second, raises, bids, at):
    """Another maximum, and secret raises in between, change nothing that anybody else is shown."""
    assume(at <= len(bids))
    plain, other = on_sale(), on_sale()
    told: dict[int, list[np.ndarray]] = {id(plain): [], id(other): []}
    for recorder, maximum in ((plain, first), (other, second)):
        told[id(recorder)].append(recorder.do(bid_of(OWNER, 1, maximum), bid_of(OWNER, 2, maximum)))
        for step, bid in enumerate([*bids, None]):
            if recorder is other and step == at:
                for secret in raises:
                    told[id(recorder)].append(recorder.do(bid_of(OWNER, 1, secret)))
            if bid is not None:
                told[id(recorder)].append(recorder.do(bid_of(bid[0], bid[1], bid[2]), after_s=1))
        told[id(recorder)].append(recorder.do(bodies.Time(), after_s=600))
    one, two = (np.concatenate(told[id(recorder)]) for recorder in (plain, other))
    assert public_view(one).tobytes() == public_view(two).tobytes()
    for account in (SELLER, RIVAL, STRANGER):
        assert unnamed(account_view(one, account)) == unnamed(account_view(two, account))
    for account in (None, SELLER, RIVAL, STRANGER):
        assert shown_to(plain, account) == shown_to(other, account)


def unnamed(events: np.ndarray) -> bytes:
    """Without the row of the record, which counts what others sent."""
    events = events.copy()
    events["command"] = 0
    return events.tobytes()


def shown_to(recorder: Recorder, account: int | None) -> views.SaleView:
    sale = recorder.machine.venue.sales[1]
    return views.public_view(sale) if account is None else views.account_view(sale, account)
