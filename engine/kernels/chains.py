"""Chains of open orders by owner (a group, or an account of none), instrument and side.

They are made when the first order asks, in a call, whether it crosses one of its owner's own, and kept from then on; a
venue where nobody ever asks pays nothing. The place of a chain is found by open addressing with linear probing.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, rare
from engine.kernels.constants import CHAINED, UNPRICED
from engine.kernels.extras import is_waiting
from engine.kernels.ids import mixed
from engine.kernels.ranks import rank_of

NOTHING = -1


@rare
def chain_place(s, account, instrument, side):
    """Place of the chain of an account's owner; its key is entered when it is new."""
    group = np.int64(s.accounts[account].group)
    owner = group if group != 0 else np.int64(account)
    key = owner << 18 | np.int64(instrument) << 2 | np.int64(side) << 1 | (1 if group != 0 else 0)
    mask = len(s.chain_keys) - 1
    place = np.int64(mixed(s.meta[0].hash_seed, np.uint64(key))) & mask
    while s.chain_keys[place] != key:
        if s.chain_keys[place] == 0:
            s.chain_keys[place] = key
            s.chain_heads[place] = NOTHING
            s.meta[0].chains += 1
            break
        place = (place + 1) & mask
    return place


@rare
def join_chain(s, slot):
    """Put an order first in its owner's chain. The caller has made room for another."""
    o = s.orders[slot]
    place = chain_place(s, o.account, o.instrument, o.side)
    head = np.int64(s.chain_heads[place])
    s.links[slot].own_next = head
    s.links[slot].own_prev = NOTHING
    if head != NOTHING:
        s.links[head].own_prev = slot
    s.chain_heads[place] = slot
    o.flags |= CHAINED


@rare
def leave_chain(s, slot):
    o, x = s.orders[slot], s.links[slot]
    behind, before = np.int64(x.own_next), np.int64(x.own_prev)
    if behind != NOTHING:
        s.links[behind].own_prev = before
    if before != NOTHING:
        s.links[before].own_next = behind
    else:
        s.chain_heads[chain_place(s, o.account, o.instrument, o.side)] = behind
    o.flags &= ~CHAINED


@kernel
def build_chains(s):
    """Enter all open orders into empty chains. False: there are too many for the places, all is to be done again."""
    m = s.meta[0]
    m.chained = 1
    m.chains = 0
    for slot in range(m.slots_fresh):
        if s.orders[slot].flags != 0:
            if 4 * m.chains >= len(s.chain_keys):
                return False
            join_chain(s, slot)
    return True


@rare
def crosses_own(s, account, instrument, side, is_unpriced, price, whole_group):
    """Whether an order would cross a resting one of its own on the other side; waiting stops are left out."""
    slot = np.int64(s.chain_heads[chain_place(s, account, instrument, 1 - side)])
    while slot != NOTHING:
        o = s.orders[slot]
        if (whole_group or o.account == account) and not is_waiting(s, slot):
            if is_unpriced or o.flags & UNPRICED:
                return True
            if rank_of(1 - side, np.int64(o.price)) <= rank_of(1 - side, price):
                return True
        slot = np.int64(s.links[slot].own_next)
    return False
