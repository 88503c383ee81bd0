"""Views of events: the audience table is obeyed, one event or a whole array at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codes import EventKind
from engine.messages.audience import AUDIENCE
from engine.messages.rows import EVENT
from engine.messages.views import (
    NAME_FIELDS,
    PUBLIC,
    Reader,
    account_view,
    operator_view,
    parties_of,
    public_view,
    view,
)

ACCOUNT, COUNTER, STRANGER = 11, 12, 13


def event_of(kind: int, account: int = ACCOUNT, counter_account: int = COUNTER) -> np.ndarray:
    """One event with another number in every field."""
    events = np.zeros(1, EVENT)
    for number, name in enumerate(EVENT.names, 100):
        events[name] = number
    events["kind"], events["account"], events["counter_account"] = kind, account, counter_account
    return events


@pytest.mark.parametrize("kind", list(EventKind), ids=lambda kind: kind.name)
def test_each_reader_sees_the_fields_of_the_table(kind):
    audience, events = AUDIENCE[kind], event_of(kind)
    readers = {
        PUBLIC: audience.public,
        Reader(STRANGER): audience.public,
        Reader(ACCOUNT): audience.public | named(audience.account),
        Reader(COUNTER): audience.public | named(audience.counter),
        Reader(operator=True): audience.public | named(audience.operator),
    }
    for reader, fields in readers.items():
        seen = view(events[0], reader)
        assert (seen or {}).keys() == fields, reader
        assert all(int(events[name][0]) == value for name, value in (seen or {}).items())


def named(fields: frozenset[str]) -> frozenset[str]:
    return fields | NAME_FIELDS if fields else fields


@pytest.mark.parametrize("kind", list(EventKind), ids=lambda kind: kind.name)
def test_an_array_shows_the_same_with_zeros_for_what_is_hidden(kind):
    audience, events = AUDIENCE[kind], event_of(kind)
    for shown, fields in [
        (public_view(events), audience.public),
        (account_view(events, ACCOUNT), named(audience.account)),
        (account_view(events, COUNTER), named(audience.counter)),
        (operator_view(events), named(audience.operator)),
    ]:
        assert len(shown) == bool(fields)
        for name in EVENT.names if len(shown) else ():
            assert shown[name][0] == (events[name][0] if name in fields else 0), name
    assert len(account_view(events, STRANGER)) == 0


def test_a_trade_with_oneself_shows_both_parts():
    fill = event_of(EventKind.FILL, ACCOUNT, ACCOUNT)
    shown = account_view(fill, ACCOUNT)[0]
    assert (shown["order"], shown["counter_order"], shown["leaves"]) == tuple(
        int(fill[name][0]) for name in ("order", "counter_order", "leaves")
    )


def test_a_taker_never_sees_who_made_or_what_the_maker_has_left():
    shown = account_view(event_of(EventKind.FILL), ACCOUNT)[0]
    assert (shown["counter_account"], shown["counter_order"], shown["leaves"]) == (0, 0, 0)


def test_public_rows_carry_no_name_of_the_log():
    shown = public_view(np.concatenate([event_of(kind) for kind in EventKind]))
    assert not shown["command"].any() and not shown["index"].any()
    assert not shown["account"].any() and not shown["counter_account"].any()


def test_an_unknown_kind_is_seen_by_nobody():
    events = event_of(250)
    assert view(events[0], Reader(ACCOUNT, operator=True)) is None
    assert len(public_view(events)) == len(operator_view(events)) == len(account_view(events, ACCOUNT)) == 0


def test_parties_are_those_with_an_own_part():
    assert parties_of(event_of(EventKind.FILL)[0]) == {ACCOUNT, COUNTER}
    assert parties_of(event_of(EventKind.ACCEPTED)[0]) == {ACCOUNT}
    assert parties_of(event_of(EventKind.ACCOUNT_OPENED)[0]) == set()


def test_the_events_themselves_are_not_touched():
    events = event_of(EventKind.BID_ACCEPTED)
    before = events.tobytes()
    public_view(events), operator_view(events), account_view(events, ACCOUNT)
    assert events.tobytes() == before


@given(kinds=st.lists(st.sampled_from(list(EventKind)), max_size=20), account=st.integers(11, 13))
def test_many_events_are_masked_as_each_alone(kinds, account):
    events = np.concatenate([np.zeros(0, EVENT), *(event_of(kind) for kind in kinds)])
    for mask in (public_view, operator_view, lambda some: account_view(some, account)):
        alone = [mask(events[at : at + 1]) for at in range(len(events))]
        assert mask(events).tobytes() == b"".join(part.tobytes() for part in alone)
