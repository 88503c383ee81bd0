"""What open orders hold of their account: worth under its limits, and lots of what it deposited.

Limits stand by (account, currency), stock by (account, instrument) in books that ask for a deposit. Both are
open-addressing tables with linear probing, placed by a seeded hash: where a row stands is never seen from outside.

Each order of a limited account in the currency counts in the limit's row, each order of a deposit book in the account's
row of stock; such orders are HELD. Lots count while they are at rest (in a level, unpriced queue or stop book), at the
worth of the order's price. (A HELD order may count nowhere: its account's limit was lifted.)
"""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled import kernel, rare, step
from engine.kernels.constants import (
    BUY,
    DEPOSIT,
    DONE,
    HELD,
    LIMIT_NOTIONAL,
    LIMIT_ORDERS,
    NEED_STOCKS,
    SELL,
    SIDE_TOTAL_LOTS_MAX,
    STOCK_SHORT,
    UNPRICED,
)
from engine.kernels.ids import mixed

NOTHING = -1
USED_BITS = 62  # of the low word of a sum of worths, each of which is at most 2**62
USED_MASK = (1 << USED_BITS) - 1


@step
def size_of(b, unpriced, price):
    """|price| that counts for an order of a book: its limit's, or the wider end of the declared range."""
    return max(abs(np.int64(b.price_min)), abs(np.int64(b.price_max))) if unpriced else abs(np.int64(price))


@step
def value_of(s, slot, lots):
    """Worth of `lots` of an order, in units of price x lot x multiplier: at most NOTIONAL_MAX for its open quantity."""
    o = s.orders[slot]
    b = s.books[o.instrument]
    return size_of(b, o.flags & UNPRICED != 0, o.price) * b.multiplier * lots


# Limits


@rare
def limit_place(s, account, currency):
    """(place of the row of an account and currency, whether it is there); else the place where it would stand."""
    key = np.int64(account) << 32 | np.int64(currency)
    mask = len(s.limits) - 1
    place = np.int64(mixed(s.meta[0].hash_seed, np.uint64(key))) & mask
    while s.limits[place].key != key:
        if s.limits[place].key == 0:
            return place, False
        place = (place + 1) & mask
    return place, True


@step
def count_worth(q, side, value):
    """Change what is used on a side of a LIMIT row. |value| <= 2**62."""
    if side == BUY:
        low = q.buy_used + value
        q.buy_used = low & USED_MASK
        q.buy_used_high += low >> USED_BITS
    else:
        low = q.sell_used + value
        q.sell_used = low & USED_MASK
        q.sell_used_high += low >> USED_BITS


@step
def is_over(most, low, high, given_up, value):
    """Whether high x 2**62 + low - given_up + value > most, for 0 <= given_up, value <= 2**62."""
    low -= given_up
    high += low >> USED_BITS
    low = (low & USED_MASK) + value
    high += low >> USED_BITS
    low &= USED_MASK
    return high > 1 or (high << USED_BITS | low) > most


# Stock


@rare
def stock_place(s, account, instrument):
    """(place of the stock of an account in a book, whether it is there); else the place where it would stand."""
    key = np.int64(account) << 32 | np.int64(instrument)
    mask = len(s.stocks) - 1
    place = np.int64(mixed(s.meta[0].hash_seed, np.uint64(key))) & mask
    while s.stocks[place].key != key:
        if s.stocks[place].key == 0:
            return place, False
        place = (place + 1) & mask
    return place, True


@rare
def stock_row(s, account, instrument):
    """Place of the stock of an account in a book, made when it is not there. The caller has made room."""
    place, found = stock_place(s, account, instrument)
    if not found:
        t = s.stocks[place]
        t.key = np.int64(account) << 32 | np.int64(instrument)
        t.lots = 0
        t.reserved = 0
        t.orders = 0
        s.meta[0].stocks += 1
    return place


@rare
def drop_empty_stock(s, place):
    """Forget a row without lots and orders, and close the gap: pull back each follower that it would cut off."""
    t = s.stocks[place]
    if t.lots != 0 or t.orders != 0:
        return
    mask = len(s.stocks) - 1
    gap = place
    while True:
        place = (place + 1) & mask
        key = s.stocks[place].key
        if key == 0:
            break
        home = np.int64(mixed(s.meta[0].hash_seed, np.uint64(key))) & mask
        if (place - home) & mask >= (place - gap) & mask:
            s.stocks[gap] = s.stocks[place]
            gap = place
    s.stocks[gap].key = 0
    s.meta[0].stocks -= 1


# What the hot path asks and tells


@step
def is_watched(s, account, instrument):
    """Whether orders of the account in this book may concern limits or stock at all."""
    return s.accounts[account].limited != 0 or s.books[instrument].flags & DEPOSIT != 0


@rare
def holdings_room(s, account, instrument):
    """NEED_STOCKS when an order of the account there would not find room for a row; else DONE."""
    if s.books[instrument].flags & DEPOSIT and 2 * (s.meta[0].stocks + 1) > len(s.stocks):
        return NEED_STOCKS
    return DONE


@rare
def holding_reason(s, account, instrument, side, worth, qty, target):
    """Check 21 of a new order, or of what `target` (its slot; -1: none) is to become. Returns a reason or 0.

    worth  int64  of one lot by its price, less the multiplier: |price|, or the bound of unpriced orders
    qty    int64  open lots it will have
    """
    b = s.books[instrument]
    given_up = np.int64(0) if target < 0 else np.int64(s.orders[target].qty)
    if s.accounts[account].limited:
        place, found = limit_place(s, account, b.currency)
        if found:
            q = s.limits[place]
            if target < 0 and q.orders_max != 0 and q.orders >= q.orders_max:
                return LIMIT_ORDERS
            if side == BUY:
                most, low, high = q.buy_max, q.buy_used, np.int64(q.buy_used_high)
            else:
                most, low, high = q.sell_max, q.sell_used, np.int64(q.sell_used_high)
            given_up_value = np.int64(0) if target < 0 else value_of(s, target, given_up)
            if most != 0 and is_over(most, low, high, given_up_value, worth * b.multiplier * qty):
                return LIMIT_NOTIONAL
    if side == SELL and b.flags & DEPOSIT:
        place, found = stock_place(s, account, instrument)
        free = s.stocks[place].lots - s.stocks[place].reserved if found else np.int64(0)
        if qty - given_up > free:
            return STOCK_SHORT
    return 0


@rare
def begin_holding(s, slot):
    """Count a new order, whose account and instrument are set: HELD when it counts anywhere. No lots yet."""
    o = s.orders[slot]
    b = s.books[o.instrument]
    account = np.int64(o.account)
    if s.accounts[account].limited:
        place, found = limit_place(s, account, b.currency)
        if found:
            s.limits[place].orders += 1
            o.flags |= HELD
    if b.flags & DEPOSIT:
        s.stocks[stock_row(s, account, np.int64(o.instrument))].orders += 1
        o.flags |= HELD


@rare
def hold(s, slot, qty):
    """A HELD order has `qty` open lots more (negative: less), worth what its row says."""
    o = s.orders[slot]
    b = s.books[o.instrument]
    account = np.int64(o.account)
    if s.accounts[account].limited:
        place, found = limit_place(s, account, b.currency)
        if found:
            count_worth(s.limits[place], o.side, value_of(s, slot, qty))
    if o.side == SELL and b.flags & DEPOSIT:
        place = stock_place(s, account, np.int64(o.instrument))[0]
        s.stocks[place].reserved += qty


@step
def release(s, slot, qty):
    """A HELD order has `qty` open lots less."""
    hold(s, slot, -qty)


@rare
def end_holding(s, slot):
    """A HELD order ends; its lots were released before."""
    o = s.orders[slot]
    b = s.books[o.instrument]
    account = np.int64(o.account)
    if s.accounts[account].limited:
        place, found = limit_place(s, account, b.currency)
        if found:
            s.limits[place].orders -= 1
    if b.flags & DEPOSIT:
        place = stock_place(s, account, np.int64(o.instrument))[0]
        s.stocks[place].orders -= 1
        drop_empty_stock(s, place)


@rare
def move_lots(s, instrument, seller, buyer, qty):
    """A fill in a book of deposits: lots go from seller to buyer. Both have an open order, so both have a row."""
    if seller != buyer:
        place = stock_place(s, seller, instrument)[0]
        s.stocks[place].lots -= qty
        place = stock_place(s, buyer, instrument)[0]
        s.stocks[place].lots += qty


# What registers ask


@kernel
def set_limit(s, account, currency, buy_max, sell_max, orders_max):
    """Write the row of an account and currency; three zeros: none. The caller has made room for one more.

    A new row counts the orders that are open already, by a scan over all slots.
    """
    m = s.meta[0]
    place, found = limit_place(s, account, currency)
    if buy_max == 0 and sell_max == 0 and orders_max == 0:
        if found:
            drop_limit(s, account, place)
        return
    q = s.limits[place]
    q.buy_max = buy_max
    q.sell_max = sell_max
    q.orders_max = orders_max
    if found:
        return
    q.key = np.int64(account) << 32 | np.int64(currency)
    q.buy_used, q.sell_used, q.buy_used_high, q.sell_used_high, q.orders = 0, 0, 0, 0, 0
    m.limits += 1
    s.accounts[account].limited = 1
    for slot in range(m.slots_fresh):
        o = s.orders[slot]
        if o.flags != 0 and o.account == account and s.books[o.instrument].currency == currency:
            q.orders += 1
            count_worth(q, o.side, value_of(s, slot, np.int64(o.qty)))
            o.flags |= HELD


@rare
def drop_limit(s, account, place):
    """Forget a row and close the gap. The account stays limited while it has one in another currency."""
    m = s.meta[0]
    mask = len(s.limits) - 1
    gap = place
    while True:
        place = (place + 1) & mask
        key = s.limits[place].key
        if key == 0:
            break
        home = np.int64(mixed(m.hash_seed, np.uint64(key))) & mask
        if (place - home) & mask >= (place - gap) & mask:
            s.limits[gap] = s.limits[place]
            gap = place
    s.limits[gap].key = 0
    m.limits -= 1
    s.accounts[account].limited = 0
    for i in range(len(s.limits)):
        if s.limits[i].key >> 32 == account:
            s.accounts[account].limited = 1


@kernel
def limit_at(s, account, currency):
    """Place of the row of an account and currency, or -1."""
    place, found = limit_place(s, account, currency)
    return place if found else np.int64(NOTHING)


@kernel
def stock_at(s, account, instrument):
    """Place of the stock of an account in a book, or -1."""
    place, found = stock_place(s, account, instrument)
    return place if found else np.int64(NOTHING)


@kernel
def deposit(s, account, instrument, lots):
    """Add lots (negative: take out). False, and nothing done, when they are not free or too many. Room was made."""
    b = s.books[instrument]
    place, found = stock_place(s, account, instrument)
    have = s.stocks[place].lots if found else np.int64(0)
    reserved = s.stocks[place].reserved if found else np.int64(0)
    # Bounded over all accounts, so that no fill can carry one beyond.
    if have - reserved < -lots or lots > SIDE_TOTAL_LOTS_MAX - b.deposited:
        return False
    if lots != 0:
        place = stock_row(s, account, instrument)
        s.stocks[place].lots += lots
        b.deposited += lots
        drop_empty_stock(s, place)
    return True


@kernel
def give_back(s, instrument, seller, buyer, lots):
    """Move lots of a fill from its buyer to its seller. False, and nothing done, when they are not free there."""
    place, found = stock_place(s, buyer, instrument)
    if not found or s.stocks[place].lots - s.stocks[place].reserved < lots:
        return False
    if seller != buyer:
        s.stocks[place].lots -= lots
        drop_empty_stock(s, place)
        s.stocks[stock_row(s, seller, instrument)].lots += lots
    return True


@kernel
def rehash_limits(s, old):
    """Enter the rows of an old table into the larger, empty one of the state."""
    for i in range(len(old)):
        key = old[i].key
        if key != 0:
            place, _ = limit_place(s, key >> 32, key & 0xFFFFFFFF)
            s.limits[place] = old[i]


@kernel
def rehash_stocks(s, old):
    """Enter the rows of an old table, but those whose key is 0, into the empty one of the state."""
    for i in range(len(old)):
        key = old[i].key
        if key != 0:
            place, _ = stock_place(s, key >> 32, key & 0xFFFFFFFF)
            s.stocks[place] = old[i]


@kernel
def hold_all(s):
    """After loading: count what every open order holds. The caller has made room for rows of stock."""
    for slot in range(s.meta[0].slots_fresh):
        o = s.orders[slot]
        if o.flags != 0 and (s.accounts[o.account].limited or s.books[o.instrument].flags & DEPOSIT):
            begin_holding(s, slot)
            if o.flags & HELD:
                hold(s, slot, np.int64(o.qty))
