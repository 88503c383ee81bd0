"""Requests into terms and offers: by the types of the engine's fields, each fault with its pointer."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Meta

from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.sales.after import After
from engine.messages.sales.clock import ClockOffer, ClockProxy, Limit
from engine.messages.sales.commands import Offer
from engine.messages.sales.english import English, EnglishOffer, Step
from engine.messages.sales.terms import Stages, Terms
from gateway.problems import Problem
from gateway.sales.fields import PRICES, SPANS
from gateway.sales.reading import Reading, read_struct, read_union

SECOND_NS = 10**9
NOW_NS = 1_700_000_000 * SECOND_NS
CENT = Reading(Fraction(1, 100), NOW_NS)
TIMED: dict[str, Any] = {
    "kind": "english", "style": "timed", "opening": "4.00", "clock_seconds": 60, "ends": 600, "scope": "lot",
    "stop": "2023-11-15T00:00:00Z",
    "increments": [{"start": "0", "increment": "0.10"}, {"start": "5", "increment": "0.25"}],
}  # fmt: skip


def test_terms_are_read_by_the_types_of_their_fields():
    assert read_union(Terms, TIMED, CENT, "/mechanism") == English(
        opening=400,
        increments=(Step(0, 10), Step(500, 25)),
        clock_ns=60 * SECOND_NS,
        style="timed",
        scope="lot",
        ends_ns=NOW_NS + 600 * SECOND_NS,
        stop_ns=1_700_006_400 * SECOND_NS,
    )


def test_seconds_from_now_are_the_time_that_holds_already():
    first = read_union(Terms, TIMED, CENT, "/mechanism")
    later = CENT._replace(now_ns=NOW_NS + 5 * SECOND_NS)
    assert read_union(Terms, TIMED, later, "/mechanism", first) == first
    assert read_union(Terms, TIMED, later, "/mechanism").ends_ns == first.ends_ns + 5 * SECOND_NS
    stages = read_struct(Stages, {"live": 30.5}, CENT, "/stages")
    assert stages == Stages(live_ns=NOW_NS + 30_500_000_000)


@pytest.mark.parametrize(
    ("given", "offer"),
    [
        ({"kind": "english", "lot": 2, "maximum": "5.00"}, EnglishOffer(2, 500)),
        ({"kind": "english", "lot": 2, "maximum": "5.00", "bags": 4, "normal": True}, EnglishOffer(2, 500, 4, 0, True)),
        ({"kind": "clock", "round": 3, "bags": [4, 0]}, ClockOffer(3, (4, 0))),
        ({"kind": "clock_proxy", "limits": [[{"price": "4.10", "bags": 3}], []]}, ClockProxy(((Limit(410, 3),), ()))),
    ],
)
def test_offers_of_every_kind(given, offer):
    assert read_union(Offer, given, CENT, "/offer") == offer


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"kind": "raffle"}, "/mechanism/kind", "invalid_field"),
        ({"opening": "4.001"}, "/mechanism/opening", "off_tick"),
        ({"opening": "0.00"}, "/mechanism/opening", "price_range"),
        ({"opening": 4}, "/mechanism/opening", "invalid_field"),
        ({"scope": "some"}, "/mechanism/scope", "invalid_field"),
        ({"colour": "red"}, "/mechanism/colour", "invalid_field"),
        ({"clock_ns": 5}, "/mechanism/clock_ns", "invalid_field"),  # the engine's name is not the wire's
        ({"clock_seconds": "60"}, "/mechanism/clock_seconds", "invalid_field"),
        ({"clock_seconds": -1}, "/mechanism/clock_seconds", "invalid_field"),
        ({"clock_seconds": 1e300}, "/mechanism/clock_seconds", "invalid_field"),
        ({"clock_seconds": float("nan")}, "/mechanism/clock_seconds", "invalid_field"),
        ({"ends": "tomorrow"}, "/mechanism/ends", "invalid_field"),
        ({"ends": -5}, "/mechanism/ends", "invalid_field"),
        ({"ends": True}, "/mechanism/ends", "invalid_field"),
        ({"increments": []}, "/mechanism/increments", "invalid_field"),
        ({"increments": {}}, "/mechanism/increments", "invalid_field"),
        ({"increments": [{"start": "0"}]}, "/mechanism/increments/0/increment", "missing_field"),
        ({"increments": [5]}, "/mechanism/increments/0", "invalid_field"),
    ],
)
def test_what_does_not_fit_is_named(change, pointer, code):
    with pytest.raises(Problem) as raised:
        read_union(Terms, TIMED | change, CENT, "/mechanism")
    assert (raised.value.pointer, raised.value.code) == (pointer, code)


def test_what_is_no_object_is_refused():
    for given in (None, [], "english", 5):
        with pytest.raises(Problem):
            read_union(Terms, given, CENT, "/mechanism")


def bounded_fields(kind: Any) -> Iterator[tuple[str, int]]:
    """(name, highest value) of every integer of a struct and of those inside it."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        yield from _bounds(name, hint)


def _bounds(name: str, hint: Any) -> Iterator[tuple[str, int]]:
    base, *metas = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    for inner in get_args(base):
        yield from _bounds(name, inner)
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        yield from bounded_fields(base)
    if base is int:
        yield from ((name, meta.le) for meta in metas if isinstance(meta, Meta) and meta.le is not None)


def test_every_price_and_span_of_every_mechanism_is_named():
    """What is bounded as a price is decimal text on the wire; a time in ns that is no moment is a span."""
    seen = {pair for kind in (*get_args(Terms), *get_args(Offer), After) for pair in bounded_fields(kind)}
    assert PRICE_TICKS_MAX != QTY_LOTS_MAX
    prices = {name for name, highest in seen if highest == PRICE_TICKS_MAX}
    spans = {name for name, highest in seen if name.endswith("_ns") and highest < 2**63 - 1}
    assert (prices - PRICES, spans - SPANS) == (set(), set())
    assert {"opening", "maximum", "increment", "limit"} <= prices and {"clock_ns", "round_ns"} <= spans
