"""Japanese clock: the price rises while two or more hold. The rule is in `engine/markets/sales/japanese.py`."""

from __future__ import annotations

from engine.messages.body import Body, FloorTicks, LotNumber, PositiveTicks
from engine.messages.sales.dutch import IntervalNs, StepTicks


class Japanese(Body, frozen=True, tag="japanese"):
    opening: PositiveTicks  # of the lots that name none
    increment: StepTicks
    interval_ns: IntervalNs  # how long each price stands
    joining_ns: IntervalNs  # how long the opening price stands: who has not pressed by then takes no part
    in_turn: bool = False  # lots one after another; else all clocks rise together
    show_holders: bool = False  # how many held when the price last rose is public
    history: bool = False  # when its lot is closed a seller sees who let go at which price


class JapaneseOffer(Body, frozen=True, tag="japanese"):
    lot: LotNumber
    hold: bool  # press, or let go for good
    limit: FloorTicks = 0  # above it the venue lets go; 0: none. Only its owner ever sees it
