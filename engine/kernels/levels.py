"""Price levels of one side: a window addressed by rank with a bitmap, and a sorted vector of far levels beside it.

Which levels stand in the window is invisible from outside: `find_level`, `open_level`, `close_level` and `next_rank`
are all that the rest of the kernels know. `side` is a row of State.sides, `level` an index into State.levels.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.bits import ZERO, bitmap_words, clear_bit, move_rows, next_bit, set_bit
from engine.kernels.compiled import rare, step
from engine.kernels.constants import FAR_FIRST, RANK_NONE

NOTHING = -1


@rare
def far_place(far, at, count, rank):
    """First place in the vector (falling ranks) whose rank is <= `rank`; count when there is none."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if far[at + middle].rank > rank:
            low = middle + 1
        else:
            high = middle
    return low


@step
def find_level(s, side, rank):
    """The level of `rank`, which must have orders."""
    v = s.sides[side]
    offset = rank - v.rank0
    if offset >= 0 and offset < v.ticks:
        return v.level0 + offset
    return np.int64(s.far[v.far_at + far_place(s.far, v.far_at, v.far_count, rank)].level)


@rare
def take_single_level(s):
    """A level outside any window: one given back, or the next of the arena. The caller has checked for room."""
    m = s.meta[0]
    level = m.level_spare
    if level == NOTHING:
        level = m.levels_used
        m.levels_used = level + 1
    else:
        m.level_spare = s.levels[level].head
    s.levels[level].count = 0
    s.levels[level].total = 0
    s.levels[level].hidden = 0
    return level


@rare
def give_back_level(s, level):
    m = s.meta[0]
    s.levels[level].head = m.level_spare
    m.level_spare = level


@rare
def open_far_level(s, side, rank):
    """The far level of `rank`, made in its place of the sorted vector when it is not there."""
    v, m = s.sides[side], s.meta[0]
    place = far_place(s.far, v.far_at, v.far_count, rank)
    if place < v.far_count and s.far[v.far_at + place].rank == rank:
        return np.int64(s.far[v.far_at + place].level)
    if v.far_count == v.far_capacity:
        capacity = max(FAR_FIRST, 2 * v.far_capacity)
        for i in range(v.far_count):
            s.far[m.far_used + i].rank = s.far[v.far_at + i].rank
            s.far[m.far_used + i].level = s.far[v.far_at + i].level
        v.far_at = m.far_used
        v.far_capacity = capacity
        m.far_used += capacity
    at = v.far_at + place
    move_rows(s.far, at + 1, at, v.far_count - place)
    v.far_count += 1
    level = take_single_level(s)
    s.levels[level].rank = rank
    s.far[at].rank = rank
    s.far[at].level = level
    return level


@rare
def close_far_level(s, side, rank):
    v = s.sides[side]
    place = far_place(s.far, v.far_at, v.far_count, rank)
    at = v.far_at + place
    give_back_level(s, np.int64(s.far[at].level))
    move_rows(s.far, at, at + 1, v.far_count - place - 1)
    v.far_count -= 1


@step
def open_level(s, side, rank):
    """The level of `rank`, opened when it has no orders yet. A side without priced orders moves its window here."""
    v = s.sides[side]
    if v.best == RANK_NONE:
        v.rank0 = rank - (v.ticks >> 2)
    if rank < v.best:
        v.best = rank
    offset = rank - v.rank0
    if offset < 0 or offset >= v.ticks:
        return open_far_level(s, side, rank)
    level = v.level0 + offset
    if s.levels[level].count == 0:
        s.levels[level].rank = rank
        s.levels[level].total = 0
        s.levels[level].hidden = 0
        set_bit(s.bits, np.int64(v.bits0), np.int64(v.ticks), offset)
    return level


@step
def close_level(s, side, rank):
    """Take the level of `rank`, whose last order is gone, out of the side; mend the best rank."""
    v = s.sides[side]
    offset = rank - v.rank0
    if offset >= 0 and offset < v.ticks:
        clear_bit(s.bits, np.int64(v.bits0), np.int64(v.ticks), offset)
    else:
        close_far_level(s, side, rank)
    if rank == v.best:
        v.best = next_rank(s, side, rank)


@step
def next_rank(s, side, rank):
    """The best rank worse than `rank` that has orders, or RANK_NONE."""
    v = s.sides[side]
    offset = rank - v.rank0 + 1
    if offset < 0:
        offset = 0
    found = RANK_NONE
    if offset < v.ticks:
        position = next_bit(s.bits, np.int64(v.bits0), np.int64(v.ticks), offset)
        if position >= 0:
            found = v.rank0 + position
    if v.far_count > 0:
        place = far_place(s.far, v.far_at, v.far_count, rank) - 1
        if place >= 0 and s.far[v.far_at + place].rank < found:
            found = np.int64(s.far[v.far_at + place].rank)
    return found


@rare
def move_window(s, side, rank0, ticks, level0, bits0, kept):
    """Give a side another window: its levels with their orders move over, the old one is left zeroed.

    rank0, ticks, level0, bits0  the new window, all zero; it may not overlap the old one unless it is the old one
    kept                         scratch LEVEL[>= levels of the side]
    The caller has made room for as many single levels and far entries as the side has levels.
    """
    v = s.sides[side]
    count = 0
    rank = np.int64(v.best)
    while rank != RANK_NONE:
        kept[count] = s.levels[find_level(s, side, rank)]
        count += 1
        rank = next_rank(s, side, rank)
    while v.far_count > 0:
        close_far_level(s, side, np.int64(s.far[v.far_at + v.far_count - 1].rank))
    for level in range(v.level0, v.level0 + v.ticks):
        s.levels[level].count = 0
    for word in range(v.bits0, v.bits0 + bitmap_words(np.int64(v.ticks))):
        s.bits[word] = ZERO
    v.rank0 = rank0
    v.ticks = ticks
    v.level0 = level0
    v.bits0 = bits0
    for i in range(count):
        rank = np.int64(kept[i].rank)
        offset = rank - rank0
        if offset >= 0 and offset < ticks:
            level = level0 + offset
            set_bit(s.bits, bits0, ticks, offset)
        else:
            level = open_far_level(s, side, rank)
        s.levels[level] = kept[i]
