"""The audit of the cold registers finds what is planted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from engine.codes import TimerKind
from engine.machine import Machine
from engine.markets.audit import audit
from engine.state.venue import Extension, Held
from tests.engine.state.test_venue import full_venue

PLANTED: dict[str, Callable[[Machine], object]] = {
    "group": lambda m: m.venue.accounts.update({1: structs.replace(m.venue.accounts[1], group=9)}),
    "frozen": lambda m: m.hot.set_account(2, frozen=True, group=0, coop=False),
    "limits": lambda m: m.venue.account_limits.clear(),
    "switch": lambda m: m.hot.set_stopped(False),
    "book": lambda m: m.venue.instruments.pop(1),
    "symbol": lambda m: m.venue.by_symbol.pop("PE-WASHED-3"),
    "currency": lambda m: m.venue.currencies.update({"PEN": 9}),
    "collar": lambda m: m.hot.set_collar(2, 1, 2),
    "qty_max": lambda m: m.hot.change_instrument(1, qty_max=3),
    "not held": lambda m: m.venue.timers.release() and setattr(m.venue.timers, "holding", True),
    "held": lambda m: setattr(m.venue, "stop", None),
    "of no book": lambda m: m.venue.timers.set(m.ts_ns, 2**62, TimerKind.DAY_END, subject=3),
    "seed": lambda m: m.venue.timers.seeds.clear(),
    "half a random end": lambda m: m.venue.timers._hold(
        Held(structs.replace(m.venue.timers.held[0].timer, timer=0, random_ns=5), 0)
    ),
    "cancel after": lambda m: m.venue.cancel_after.clear(),
    "extension": lambda m: m.venue.extensions.update({1: Extension(1, 0)}),
    "too many extensions": lambda m: m.venue.extensions.update({2: Extension(2, 0)}),
    "sale": lambda m: m.venue.timers.cancel(m.venue.sales[1].market.open_timer),
}


def test_a_sound_venue_passes():
    machine = full_venue()
    audit(machine.venue, machine.hot)


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name):
    machine = full_venue()
    PLANTED[name](machine)
    with pytest.raises((AssertionError, KeyError)):
        audit(machine.venue, machine.hot)
