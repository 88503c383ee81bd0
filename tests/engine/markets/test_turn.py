"""Events of one record: numbering and the flag of the last, wherever they come from."""

from __future__ import annotations

import numpy as np
import pytest

from engine.codes import EventFlag, EventKind
from engine.markets.turn import Turn
from engine.messages.rows import EVENT
from engine.oracle.books import Books
from engine.state.venue import Venue


def hot_events(count: int, first_index: int) -> np.ndarray:
    events = np.zeros(count, EVENT)
    events["kind"], events["index"] = EventKind.FILL, np.arange(first_index, first_index + count)
    events.flags.writeable = False
    return events


def turn() -> Turn:
    return Turn(Venue(), Books(), first_seq=7, ts_ns=1)


def test_a_command_without_events_is_a_bug():
    with pytest.raises(AssertionError):
        turn().close()


@pytest.mark.parametrize("by_timer", [False, True])
def test_a_command_may_end_with_events_of_the_hot_state(by_timer):
    this = turn()
    this.by_timer = by_timer
    this.emit(EventKind.TIMER)
    this.extend(hot_events(2, 1))
    this.close()
    events = this.events()
    by = EventFlag.BY_TIMER if by_timer else 0
    assert events["flags"].tolist() == [by, by, by | EventFlag.LAST]
    assert events["index"].tolist() == [0, 1, 2]


def test_events_of_the_hot_state_continue_the_numbering():
    this = turn()
    this.emit(EventKind.DONE)
    with pytest.raises(AssertionError):
        this.extend(hot_events(1, 0))


def test_another_command_counts_from_zero_and_the_first_goes_on():
    this = turn()
    this.emit(EventKind.TIMER)
    this.begin(0, 3)
    this.emit(EventKind.DONE)
    this.begin(1, 4)
    assert (this.seq, this.account, this.index) == (8, 4, 0)
    this.emit(EventKind.DONE)
    assert this.events()["index"].tolist() == [0, 1, 0]
