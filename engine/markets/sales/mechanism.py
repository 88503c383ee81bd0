"""What a mechanism gives to the frame, and which there are.

A rule that refuses has told and changed nothing. Timers are the sale's: subject = sale, phase = what the mechanism
says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from engine.codes import Reason
from engine.markets.sales import (
    clock,
    clock_views,
    dutch,
    dutch_views,
    english,
    english_views,
    japanese,
    japanese_views,
    packages,
    packages_views,
    reverse,
    reverse_views,
    sealed,
    sealed_views,
)
from engine.markets.turn import Turn
from engine.messages.sales.clock import Clock
from engine.messages.sales.dutch import Dutch
from engine.messages.sales.english import English
from engine.messages.sales.japanese import Japanese
from engine.messages.sales.packages import Packages
from engine.messages.sales.reverse import Reverse
from engine.messages.sales.sealed import Sealed
from engine.messages.sales.terms import SaleTerms, Terms
from engine.state.sales.sale import Sale
from engine.state.venue import Timer


class Mechanism(NamedTuple):
    check: Callable[[Turn, SaleTerms], Reason]  # what the form of the terms cannot say; at PLAN_SALE
    opened: Callable[[Turn, Sale], None]  # pre-bids or the live stage begin: makes the market, sets timers, tells it
    bid: Callable[[Turn, Sale, Any], Reason]  # of turn.account, after the frame's checks
    due: Callable[[Turn, Sale, Timer], None]  # SALE_CLOCK, SALE_OPEN_UNTIL, SALE_ROUND
    resume: Callable[[Turn, Sale, Timer, int], None]  # nobody could act for so many ns
    end: Callable[[Turn, Sale], None]  # the operator ends it now
    void_bid: Callable[[Turn, Sale, int], Reason]  # the bid of that sequence
    public_view: Callable[[Sale], Struct]  # of named fields; the market is None until it opens
    account_view: Callable[[Sale, int], Struct]
    operator_view: Callable[[Sale], Struct]
    # SECRET: (account, price it would pay, bags) of who comes next for a lot, best first
    offers_next: Callable[[Sale, int], list[tuple[int, int, int]]]
    prebids: bool = False  # takes offers before it is live
    accept_bid: Callable[[Turn, Sale, int], Reason] | None = None  # takes one that waits; None: none ever waits


MECHANISMS: dict[type[Terms], Mechanism] = {
    English: Mechanism(
        check=english.check,
        opened=english.opened,
        bid=english.bid,
        due=english.due,
        resume=english.resume,
        end=english.end,
        void_bid=english.void_bid,
        public_view=english_views.public_view,
        account_view=english_views.account_view,
        operator_view=english_views.operator_view,
        offers_next=english.offers_next,
        prebids=True,
        accept_bid=english.accept_bid,
    ),
    Clock: Mechanism(
        check=clock.check,
        opened=clock.opened,
        bid=clock.bid,
        due=clock.due,
        resume=clock.resume,
        end=clock.end,
        void_bid=clock.void_bid,
        public_view=clock_views.public_view,
        account_view=clock_views.account_view,
        operator_view=clock_views.operator_view,
        offers_next=clock.offers_next,
        prebids=True,
    ),
    Dutch: Mechanism(
        check=dutch.check,
        opened=dutch.opened,
        bid=dutch.bid,
        due=dutch.due,
        resume=dutch.resume,
        end=dutch.end,
        void_bid=dutch.void_bid,
        public_view=dutch_views.public_view,
        account_view=dutch_views.account_view,
        operator_view=dutch_views.operator_view,
        offers_next=dutch.offers_next,
    ),
    Japanese: Mechanism(
        check=japanese.check,
        opened=japanese.opened,
        bid=japanese.bid,
        due=japanese.due,
        resume=japanese.resume,
        end=japanese.end,
        void_bid=japanese.void_bid,
        public_view=japanese_views.public_view,
        account_view=japanese_views.account_view,
        operator_view=japanese_views.operator_view,
        offers_next=japanese.offers_next,
    ),
    Packages: Mechanism(
        check=packages.check,
        opened=packages.opened,
        bid=packages.bid,
        due=packages.due,
        resume=packages.resume,
        end=packages.end,
        void_bid=packages.void_bid,
        public_view=packages_views.public_view,
        account_view=packages_views.account_view,
        operator_view=packages_views.operator_view,
        offers_next=packages.offers_next,
    ),
    Sealed: Mechanism(
        check=sealed.check,
        opened=sealed.opened,
        bid=sealed.bid,
        due=sealed.due,
        resume=sealed.resume,
        end=sealed.end,
        void_bid=sealed.void_bid,
        public_view=sealed_views.public_view,
        account_view=sealed_views.account_view,
        operator_view=sealed_views.operator_view,
        offers_next=sealed.offers_next,
    ),
    Reverse: Mechanism(
        check=reverse.check,
        opened=reverse.opened,
        bid=reverse.bid,
        due=reverse.due,
        resume=reverse.resume,
        end=reverse.end,
        void_bid=reverse.void_bid,
        public_view=reverse_views.public_view,
        account_view=reverse_views.account_view,
        operator_view=reverse_views.operator_view,
        offers_next=reverse.offers_next,
    ),
}


def mechanism_of(sale: Sale) -> Mechanism:
    return MECHANISMS[type(sale.terms.mechanism)]
