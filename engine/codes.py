"""Small numbers shared by Python, kernels and the wire. A number, once released, never changes its meaning.

Names in lower case are what JSON shows: `name_of(Reason, 12)` -> "stale_ref".
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar


class Side(IntEnum):
    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    LIMIT = 0
    MARKET = 1  # trades within the collar; what is left is cancelled
    MARKET_TO_LIMIT = 2  # trades at the best price there is; what is left rests at it
    STOP = 3  # waits for a trade at its stop price or beyond, then is a MARKET order
    STOP_LIMIT = 4  # the same, then is a LIMIT order
    ICEBERG = 5  # a limit order of which `display_qty` is shown at a time


class TimeInForce(IntEnum):
    GTC = 0
    IOC = 1
    FOK = 2
    DAY = 3  # until the day's end of its instrument, or until its book closes
    GTD = 4  # through `expire_at`
    AT_AUCTION = 5  # for one uncross


class OrderFlag(IntEnum):
    """Bits of `flags` in a command row."""

    POST_ONLY = 1  # refused when it would trade at once
    SLIDE = 2  # with POST_ONLY: not refused, but one tick behind the best price of the other side
    ALL_OR_NONE = 4  # on entry: trades whole at once, or ends
    STP_GROUP = 8  # self-trade prevention looks at the account's whole group


class BookFlag(IntEnum):
    DEPOSIT = 1  # sells need deposited lots
    CLASSES = 2  # co-ops first inside one price
    TRADED = 4  # there was a fill: `last` is a price


class StpMode(IntEnum):
    """Self-trade prevention: what happens when an order would trade with one of its own. The taker's mode decides."""

    NONE = 0
    CANCEL_TAKER = 1
    CANCEL_MAKER = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class RefForm(IntEnum):
    """What the 16 bytes of `client_ref` hold."""

    NONE = 0
    STREAM = 1  # stream u4, zero u4, number u8: the packed form; the number rises
    TEXT = 2  # text id of 1 to 15 bytes, zero padded
    DIGEST = 3  # BLAKE2b-128 of a text id of 16 to 36 bytes; the text itself is the row's body


class CommandKind(IntEnum):
    """Hot kinds (below COLD_FIRST) are decided by the kernel from the row alone; cold kinds carry a body."""

    NEW = 1
    CANCEL = 2
    REPLACE = 3
    AMEND = 4  # qty = new total quantity; lower keeps the order's priority

    # cold: the venue
    TIME = 64
    RESUME = 65
    SKIP = 66
    GENESIS = 67
    GENERATION = 68
    KILL_SWITCH = 69
    # cold: registers
    OPEN_ACCOUNT = 70
    ADD_KEY = 71
    REVOKE_KEY = 72
    LIST_INSTRUMENT = 73
    SET_REFERENCE = 74
    SET_ACCOUNT = 75
    SET_LIMITS = 76
    DEPOSIT = 77
    CHANGE_INSTRUMENT = 78
    DELIST_INSTRUMENT = 79
    # cold: phases
    SET_PHASE = 80
    UNCROSS = 81
    SCHEDULE = 82
    # cold: many orders at once
    MASS_CANCEL = 84
    CANCEL_AFTER = 85
    # cold: trades of the past
    BUST_TRADE = 86
    CORRECT_TRADE = 87
    # cold: sales. 90 was OPEN_SALE until generation 3
    BID = 91
    END_SALE = 92
    PLAN_SALE = 93
    REGISTER = 94
    ADMIT = 95
    DECIDE_BID = 96
    OPEN_BIDS = 97
    PROPOSE = 98
    SETTLE = 99
    SPLIT = 100
    DEFINE_SEASON = 101
    DESCRIBE_LOT = 102
    VOID_SALE = 103


COLD_FIRST = 64


class EventKind(IntEnum):
    # orders
    ACCEPTED = 1  # order, qty = open quantity, price
    REJECTED = 2  # reason
    DUPLICATE = (
        3  # same client id, same body: order = first answer's order, counter_order = its seq, reason = its reason
    )
    FILL = 4  # order = taker (buy in an uncross), counter_order = maker (sell), leaves = the counter order's
    CANCELLED = 5  # order, qty = quantity cancelled, reason
    REPLACED = 6  # order, qty = new open quantity, price = new price
    REDUCED = 7  # order, qty = lots taken away by self-trade prevention, leaves = open quantity
    TRIGGERED = 8  # order = a stop that was elected: from here on a market or limit order, qty = open quantity, price
    REPRICED = 9  # order = unpriced until here, from here on a limit order: price, qty = open quantity
    AMENDED = 10  # order, qty = new open quantity, price; leaves = 1 when its priority is lost

    # the venue
    TIMER = 32  # order = timer id, leaves = due ts_ns, reason = TimerKind: names the cause of the events after it
    RESUMED = 33  # qty = outage in ns
    SKIPPED = 34  # an operator's SKIP passed over this command, or over the TIMER before it
    DONE = 35  # a cold command with nothing else to report
    ACCOUNT_OPENED = 36
    KEY_ADDED = 37
    KEY_REVOKED = 38
    INSTRUMENT_LISTED = 39
    REFERENCE_SET = 40  # instrument, price = reference in ticks
    SCHEDULED = 41  # instrument, qty = entries taken (repeats left out)
    GENERATION_OPENED = 42  # qty = generation of the rules from here on, leaves = the one before
    ACCOUNT_SET = 43  # account; order = group, qty = orders cancelled, leaves = AccountFlag bits
    LIMITS_SET = 44  # account; instrument = number of the currency, qty = buy, leaves = sell, order = orders; 0: none
    DEPOSITED = 45  # account, instrument, qty = lots (negative: taken out), leaves = lots there are now
    INSTRUMENT_CHANGED = 46  # instrument: its listing was changed
    INSTRUMENT_DELISTED = 47  # instrument, qty = orders cancelled

    # phases and calls
    PHASE = 48  # instrument, reason = new Phase, qty = old Phase
    UNCROSSED = 49  # instrument, price, qty = volume, leaves = surplus (buy minus sell, signed); flag NO_PRICE
    COLLAR_SET = 50  # instrument, qty = lowest, leaves = highest price a taker trades at; flag NO_PRICE: no collar
    CALL_EXTENDED = 51  # instrument, price = outside the corridor, qty = how many extensions now, leaves = next uncross
    CALL_HELD = 52  # instrument, price = outside the corridor, qty = extensions there were: the book is halted
    RANDOM_END = 53  # instrument, leaves = announced ts_ns of an uncross, qty = ns within which it comes after it
    SEED_COMMITTED = 54  # follows RANDOM_END: order, counter_order, qty, leaves = BLAKE2b-256 of the seed
    SEED_REVEALED = 55  # instrument; order, counter_order, qty, leaves = the seed

    # many orders at once, trades of the past
    MASS_CANCELLED = 56  # account, instrument (0: any); qty = orders, leaves = lots; order = orders that stay; reason
    CANCEL_AFTER_SET = 57  # account, leaves = due ts_ns; 0: off
    KILL_SWITCHED = 58  # qty = 1: on, leaves = orders cancelled; qty = 0: off, leaves = ns that it was on
    # account = buyer, counter_account = seller, order = seq and counter_order = index of the fill
    TRADE_BUSTED = 59  # instrument, price, qty: as if it had not been
    TRADE_CORRECTED = 60  # instrument, price and qty = what holds from here on, leaves = lots before
    # uncross: what co-ops got before others at the last price of a side that trades, where that changed anything
    CLASS_REPORT = 61  # side, instrument, price, qty = lots of co-ops at it, leaves = of which for their class alone

    # sales: instrument = auction lot number in the sale (1..n, 0 = the whole sale), order = sale id
    SALE_OPENED = 64  # qty = lots, leaves = clock length ns
    BID_ACCEPTED = 65  # party: account = bidder, price = own maximum, qty = bids on the lot (as LOT_PRICE counts)
    BID_LATE = 66  # party: reject of a bid at or after the due time
    LOT_PRICE = 67  # public: price = current price, qty = bids on the lot
    LOT_LEADER = 68  # party: account leads the lot at price
    LOT_OUTBID = 69  # party: account does not lead the lot, or no longer; price = current price
    CLOCK = 70  # public: leaves = due ts_ns of the clock; instrument = lot or group that it is of, 0: all
    LOT_SOLD = 71  # account = winner, counter_account = seller, price, qty = bags
    LOT_PASSED_IN = 72
    SALE_FINISHED = 73  # qty = auction lots sold
    SALE_PLANNED = 74  # qty = version of its terms, leaves = when it is live
    SALE_STAGE = 75  # qty = new SaleStage
    BIDDER_SET = 76  # party: account; qty = BidderFlag bits, leaves = limit in minor units, 0: none
    LOT_CHANGED = 77  # public: something that all may see changed on the lot; price, qty as the mechanism says
    ROUND = 78  # public: qty = round, price, leaves = due ts_ns
    BID_VOIDED = 79  # party: account, counter_order = sequence of the bid, price = own maximum
    BID_WAITS = 80  # party: the same, for the operator's decision
    # parties: account = buyer, counter_account = seller, order = award, counter_order = sale, instrument = lot, price,
    # qty = bags, reason = AwardState, leaves = due ts_ns of whose turn it is, 0: nobody's
    AWARD_SET = 81
    LOT_DESCRIBED = 82  # order = number in the catalogue, qty = version
    SEASON_DEFINED = 83  # order = season, qty = version
    SALE_VOIDED = 84
    # sealed bids: counter_order = sequence of the bid
    SEALED_BID = 90  # party: account has a bid in; counter_order = the one that it takes the place of, 0: none
    BIDS_CLOSED = 91  # public: leaves = ts_ns at which the keys are due
    BID_OPENED = 92  # party
    KEY_REFUSED = 93  # party: reason
    # Dutch, Japanese, reverse
    LET_GO = 94  # party: account holds the lot's button no longer, from the round qty on; price = the clock's
    # package bids
    PROBLEM_FROZEN = 102  # public: leaves = end of proposals; counter_order, qty = BLAKE2b-128 of the problem
    PROPOSAL_TAKEN = 103  # operator: qty = account that is left out (0: none), leaves = 1 when that is proved
    # after the hammer
    AWARD_SPLIT = 106  # party: order = award, account = lead of the group, qty = shares, counter_order = sale


class AccountFlag(IntEnum):
    FROZEN = 1  # may cancel, nothing else
    COOP = 2  # comes first inside one price where a book has classes


class EventFlag(IntEnum):
    LAST = 1  # last event of its command
    AUCTION = 2  # fill of an uncross
    BY_TIMER = 4  # a TIMER event and all that it caused: no answer to the command whose sequence they carry
    NO_PRICE = 8  # UNCROSSED without a price
    UNPRICED = 16  # order without a limit price
    CLASS_FIRST = 32  # fill of a co-op's order before an earlier one at the same price
    STOP = 64  # ACCEPTED, REPLACED, AMENDED, CANCELLED of an order that waits for its stop price


class Reason(IntEnum):
    """Why a command was refused or an order ended. Checked in the order of `engine/kernels/validate.py`."""

    NONE = 0
    # form
    KIND_UNKNOWN = 1
    KIND_UNSUPPORTED = 2  # to generation 2
    VERSION_UNKNOWN = 3
    SIDE_INVALID = 4
    TYPE_INVALID = 5
    TYPE_UNSUPPORTED = 6  # to generation 2
    TIF_INVALID = 7
    TIF_UNSUPPORTED = 8  # to generation 2
    FLAGS_INVALID = 9
    STP_INVALID = 10
    EXTENSION_INVALID = 11
    REF_INVALID = 12
    # who and where
    ACCOUNT_UNKNOWN = 16
    INSTRUMENT_UNKNOWN = 17
    PHASE_FORBIDS = 18
    NOT_PERMITTED = 19
    VENUE_STOPPED = 20  # the operator's kill switch
    ACCOUNT_FROZEN = 21
    VALIDITY_PAST = 22  # the command's valid_until is over
    # amounts
    QTY_RANGE = 24
    PRICE_RANGE = 25
    PRICE_NOT_ALLOWED = 26  # a market order with a price
    NOTIONAL_RANGE = 27
    SIDE_TOTAL_RANGE = 28
    PRICE_BAND = 29  # outside the instrument's declared price range
    TIF_IN_CALL = 30  # ioc and fok are not accepted in a call
    PRICE_COLLAR = 31  # a buy above, or a sell below, the collar around the reference
    # identity
    STALE_REF = 32  # counter_order = last number taken
    CLIENT_ID_REUSED = 33
    ORDER_UNKNOWN = 34
    NOT_OWNER = 35
    INSTRUMENT_MISMATCH = 36
    # space
    ORDERS_FULL = 40
    STREAMS_FULL = 41
    CLIENT_IDS_FULL = 42
    STREAMS_SHARE_FULL = 43  # the account has as many as one account may have; from generation 2 of the rules
    CLIENT_IDS_SHARE_FULL = 44
    LIMIT_ORDERS = 45  # the account has as many open orders in this currency as it may have
    LIMIT_NOTIONAL = 46  # its open orders of this side and currency would be worth more than they may be
    STOCK_SHORT = 47  # not so many lots deposited and free
    # ends of orders
    BY_OWNER = 48
    IOC_REMAINDER = 49
    FOK_UNFILLABLE = 50
    MARKET_REMAINDER = 51  # a market order never rests outside a call
    UNPRICED_REMAINDER = 52  # left over from an uncross
    SELF_TRADE = 53
    MIN_QTY_UNFILLABLE = 54
    EXPIRED = 55
    AUCTION_REMAINDER = 56  # an order for one uncross
    BY_MASS_CANCEL = 57
    BY_CANCEL_AFTER = 58  # the account was not heard of in time
    BY_OPERATOR = 59  # freeze, kill switch
    DELISTED = 60
    DAY_ENDED = 61
    AMENDED_AWAY = 62  # amended to no more than was filled
    BEYOND_COLLAR = 63  # an elected stop whose limit lies outside
    # registers and phases
    BODY_INVALID = 64
    ALREADY_EXISTS = 65
    UNKNOWN_REFERENCE = 66
    LIMIT_REACHED = 67
    PHASE_MOVE_ILLEGAL = 68
    DUE_IN_PAST = 69
    RULES_UNKNOWN = 70
    KEY_UNKNOWN = 71
    CALENDAR_SUPERSEDED = 72  # a calendar of a higher version holds
    ORDERS_OPEN = 73  # not while the account or the book has open orders
    CURRENCY_UNKNOWN = 74
    STOCK_NOT_KEPT = 75  # the instrument asks for no deposit
    TRADE_UNKNOWN = 76
    ALREADY_BUSTED = 77
    # sales
    SALE_UNKNOWN = 80
    LOT_UNKNOWN = 81
    SALE_CLOSED = 82
    BID_LATE = 83
    BID_LOW = 84
    BID_INCREMENT = 85
    SELF_BID = 86
    MAXIMUM_BELOW_PRICE = 87  # no bid is taken back: the leader's stays at or above the price
    # terms of an order
    TERMS_CONFLICT = 96  # type, tif, flags and extension do not go together
    TERMS_IN_CALL = 97  # post-only, minimum quantity and all-or-none are not accepted in a call
    TIF_NEEDS_CALL = 98  # at_auction is not accepted while the book trades continuously
    DISPLAY_RANGE = 99  # display_qty is not 1 .. qty
    MIN_QTY_RANGE = 100  # min_qty is above qty
    EXPIRY_PAST = 101
    POST_ONLY_CROSSES = 102
    SELF_CROSS = 103  # in a call: crosses an order of one's own
    # sales: the frame
    SALE_NOT_OPEN = 112  # no bids before it opens
    NOT_REGISTERED = 113
    NOT_ADMITTED = 114
    OFFER_UNFIT = 115  # an offer of another mechanism, or a part of one that this sale does not take
    COMMITMENT_LIMIT = 116  # what the account's bids may come to, the operator's bound
    VERSION_STALE = 117  # new terms have the version after the one that holds
    TERMS_FIXED = 118  # the sale, or the stage whose time was to change, has begun
    AGREEMENT_OTHER = 119  # not the one that the terms name
    # English sales
    BID_UNKNOWN = 120  # no bid of that sequence stands or waits
    BAGS_RANGE = 121  # of a divided lot: less than its smallest part, more than there is, or fewer than before
    # sealed bids
    BIDS_NOT_CLOSED = 128  # no key before the closing time
    KEY_WRONG = 129  # it does not fit the commitment of the bid
    KEY_MISSING = 130  # it did not come in time
    SEAL_BROKEN = 131  # the bid's own key does not open what it sent
    CONTENTS_INVALID = 132  # what was opened is no bid
    BELOW_RESERVE = 133
    # Dutch, Japanese and reverse sales
    PRICE_MOVED = 136  # the clock shows another price than the one that the take names
    JOINING_OVER = 137  # who has not pressed before the price rose takes no part
    BUTTON_RELEASED = 138  # who has let go cannot come back
    NOT_HOLDING = 139  # nothing to let go of
    BID_HIGH = 140  # above the most that would lead
    MINIMUM_ABOVE_PRICE = 141  # no bid is taken back: the leader's stays at or below the price
    # clock with quantities
    ROUND_OTHER = 144  # not the round that runs
    ROUND_ONE_MISSED = 145  # who wanted nothing in round one wants nothing later
    BAGS_RISE = 146  # more than in the round before, of a product or of what may be moved
    BAGS_HELD = 147  # fewer bags of a product whose price has not risen
    BAGS_STEP = 148  # not a multiple of the step
    PROXY_FALLS = 149  # limits whose prices do not rise, or whose quantities do not fall
    # package bids
    PROBLEM_OPEN = 152  # bids are still taken, or there is no such problem
    PROBLEM_OTHER = 153  # a proposal for another problem: its digest
    PROPOSAL_INFEASIBLE = 154  # no allocation: a bid that is not there, two of one set, more bags than there are
    PROOF_FAILS = 155  # a leaf that does not prove what it should
    # after the hammer
    AWARD_UNKNOWN = 160
    ACT_UNFIT = 161  # not in the state that the award is in
    ALLOWANCE_RANGE = 162  # not below the price, or not the price that was asked for
    SHARES_UNFIT = 163  # they do not add up to the award, or one is named twice or not at all
    # catalogue and seasons
    LOT_INVALID = 168  # its description has an error
    LOT_FIXED = 169  # a sale that has it has opened
    LOT_IN_SALE = 170  # another sale has it, or it was sold; or what that sale says of it would change
    LOT_NOT_DESCRIBED = 171
    LOT_MISMATCH = 172  # seller, bags or bag weight are not the catalogue's
    SEASON_UNKNOWN = 173
    SEASON_PERIOD = 174  # not within the season's days
    SEASON_PRODUCT = 175


class Phase(IntEnum):
    CLOSED = 0
    PRE_OPEN = 1
    CALL = 2
    NO_CANCEL = 3
    FROZEN = 4
    CONTINUOUS = 5
    HALTED = 6


class TimerKind(IntEnum):
    """Also the order in which timers of the same due time fire."""

    PHASE_MOVE = 1
    UNCROSS = 2
    SALE_OPEN_UNTIL = 3
    SALE_CLOCK = 4
    CLIENT_ID_SWEEP = 5
    EXPIRY = 6  # of gtd orders; kept with the orders, not in the register of timers
    CANCEL_AFTER = 7
    DAY_END = 8
    SALE_STAGE = 9
    SALE_ROUND = 10  # the mechanism's own
    AWARD_DUE = 11


class Role(IntEnum):
    """Bit set of scopes."""

    READ = 1
    TRADE = 2
    OPERATE = 4
    ADMIN = 8


class FeeClass(IntEnum):
    NONE = 0
    CONTINUOUS = 1
    CALL = 2
    SALE = 3


class SaleState(IntEnum):
    OPEN = 0  # takes bids; Helmsman: not every lot has one
    PENDING = 1  # its clocks run: no bid is final until FINISHED
    FINISHED = 2


class SaleStage(IntEnum):
    PLANNED = 0
    VIEWING = 1
    REGISTRATION = 2
    PREBIDS = 3
    LIVE = 4
    FINISHED = 5
    VOID = 6


class AwardState(IntEnum):
    PROVISIONAL = 1  # until the buyer approves the sample
    ALLOWANCE_ASKED = 2  # the seller's turn
    DISPUTED = 3  # the operator's
    FINAL = 4
    OFFERED = 5  # to who came next: not sold yet
    REJECTED = 6  # and those below: ended
    DECLINED = 7
    VOID = 8


class BidderFlag(IntEnum):
    REGISTERED = 1
    ADMITTED = 2
    BARRED = 4


class Grid(IntEnum):
    """Which prices of a call auction are candidates. Where no order has a limit, the reference is the only one."""

    LIMITS = 0  # limits of orders
    LIMITS_AND_REFERENCE = 1
    TICKS = 2  # every tick from the lowest to the highest limit
    TICKS_AND_REFERENCE = 3  # every tick from the lowest to the highest of all limits and the reference
    OVERLAP = 4  # limits from the best sell to the best buy; the reference alone when these do not cross


class Pressure(IntEnum):
    """What a surplus that is on one side at every candidate left does to the price."""

    NONE = 0
    FULL = 1  # buy: highest candidate; sell: lowest
    BANDED = 2  # the same, but no further than `band_bps` from the reference; without a reference as FULL


class LastStep(IntEnum):
    """How one price is taken from those that are left.

    CLAMP and NEAREST need a reference. Without one the middle of what is left stands, half a tick rounded down.
    """

    CLAMP = 0  # narrow to [highest with buy surplus, lowest with sell surplus] if both are there; clamp the reference
    NEAREST = 1  # candidate nearest to the reference, the higher of two as near
    NEAREST_OR_REFERENCE = 2  # the same, but the reference itself when it is half-way between two
    MIDPOINT = 3  # middle of the lowest and the highest, half a tick rounded down
    HIGHEST = 4
    LOWEST = 5


class ProRata(IntEnum):
    """How the orders at the margin (the last level of a side that trades) share in proportion to their quantities."""

    NONE = 0  # they do not
    FLOOR = 1  # exact proportion, rounded down to a multiple of the lot
    PERCENT_UP = 2  # a percentage rounded up to 0.01 %, then the share up to a multiple of the lot, by arrival


class Rest(IntEnum):
    """Who at the margin gets what the proportional shares leave."""

    LOT_EACH = 0  # one lot each by arrival, from the first again until nothing is left
    BY_TIME = 1  # as much as each wants, by arrival
    NOBODY = 2  # no order of this call


class Unpriced(IntEnum):
    """Where orders without a limit stand among those of their side, and at what they are valued."""

    FIRST = 0  # before every limit, willing at any price
    LAST = 1  # after every limit that may trade, willing at any price
    AT_COLLAR = 2  # before every limit; for the price, they and every limit beyond the collar count as its edge


# Moves that SET_PHASE (an operator's or a calendar's) may make. CONTINUOUS is entered only by an uncross, so that a
# book that was filled in a call can never be traded continuously while it is crossed.
PHASE_MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.CLOSED: frozenset({Phase.PRE_OPEN, Phase.CALL, Phase.HALTED}),
    Phase.PRE_OPEN: frozenset({Phase.CALL, Phase.CLOSED, Phase.HALTED}),
    Phase.CALL: frozenset({Phase.NO_CANCEL, Phase.FROZEN, Phase.HALTED}),
    Phase.NO_CANCEL: frozenset({Phase.FROZEN, Phase.HALTED}),
    Phase.FROZEN: frozenset({Phase.CALL, Phase.HALTED}),
    Phase.CONTINUOUS: frozenset({Phase.CALL, Phase.CLOSED, Phase.HALTED}),
    Phase.HALTED: frozenset({Phase.PRE_OPEN, Phase.CALL, Phase.CLOSED}),
}
UNCROSS_FROM = frozenset({Phase.CALL, Phase.NO_CANCEL, Phase.FROZEN})
UNCROSS_TO = frozenset({Phase.CONTINUOUS, Phase.CLOSED})
# What an order's owner may do in each phase.
# A replace gives up the old order, so it needs a phase of both sets.
ENTRY_PHASES = frozenset({Phase.PRE_OPEN, Phase.CALL, Phase.NO_CANCEL, Phase.CONTINUOUS})
CANCEL_PHASES = frozenset({Phase.CLOSED, Phase.PRE_OPEN, Phase.CALL, Phase.CONTINUOUS, Phase.HALTED})
MATCHING_PHASES = frozenset({Phase.CONTINUOUS})  # a crossing order trades at once; in the others it waits

# Of the rules: a release that changes what a log means ends one and opens the next (`engine/generations.py`).
GENERATION = 4

_E = TypeVar("_E", bound=IntEnum)


def name_of(enum: type[_E], value: int) -> str:
    """The stable lower-case name of a code, as JSON shows it; `unknown_<n>` for a number without one."""
    try:
        return enum(value).name.lower()
    except ValueError:
        return f"unknown_{value}"


def code_of(enum: type[_E], name: str) -> _E:
    """The code of a lower-case name. Raises KeyError(name) when there is none."""
    return enum[name.upper()]
