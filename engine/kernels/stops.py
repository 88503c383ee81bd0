"""Waiting stops and their election.

A stop waits on a side of its own at its stop price, in order of arrival. Those elected leave it and queue, linked by
ORDER.next from meta.elected_first; each in turn becomes a market or limit order and acts.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import rare
from engine.kernels.constants import BUY, SELL, SIDES, STOPS, TRADED
from engine.kernels.levels import close_level, find_level
from engine.kernels.ranks import stop_rank

NOTHING = -1


@rare
def is_elected(s, slot):
    """Whether the newest price elects a stop that has just come."""
    o, b = s.orders[slot], s.books[s.orders[slot].instrument]
    if b.flags & TRADED == 0:
        return False
    return stop_rank(o.side, np.int64(s.extras[s.links[slot].extra].stop_price)) <= stop_rank(o.side, np.int64(b.last))


@rare
def queue_elected(s, slot):
    """Put a stop that rests nowhere last in the queue of elected ones."""
    m = s.meta[0]
    s.orders[slot].next = NOTHING
    if m.elected_first == NOTHING:
        m.elected_first = slot
    else:
        s.orders[m.elected_last].next = slot
    m.elected_last = slot


@rare
def elect_stops(s, instrument, low, high):
    """All waiting stops that trades from `low` to `high` concern join the queue: buys, then sells.

    They come in the order in which they stand on their sides: by stop price, then by arrival.
    """
    b = s.books[instrument]
    for side in (BUY, SELL):
        stops = SIDES * np.int64(instrument) + STOPS + side
        v, main = s.sides[stops], s.sides[stops - STOPS]
        limit = stop_rank(side, high if side == BUY else low)
        while v.best <= limit:
            rank = np.int64(v.best)
            level = find_level(s, stops, rank)
            q = s.levels[level]
            v.total -= q.total
            v.orders -= q.count
            main.waiting -= q.total
            b.stops -= q.count
            slot = np.int64(q.head)
            q.count = 0
            q.total = 0
            close_level(s, stops, rank)
            while slot != NOTHING:
                behind = np.int64(s.orders[slot].next)
                queue_elected(s, slot)
                slot = behind
