"""Codes and limits as plain integers, the only form that kernels freeze in, and the statuses they return."""

from __future__ import annotations

from numpy import int64

from engine import codes, limits
from engine.codes import (
    BookFlag,
    CommandKind,
    EventFlag,
    EventKind,
    FeeClass,
    OrderFlag,
    OrderType,
    Reason,
    RefForm,
    Side,
    StpMode,
    TimeInForce,
)

# What a kernel returns. Whatever is not DONE: the caller makes room and calls again; no command is half decided in
# between except one that fills the event buffer, which goes on where it stopped.
DONE = 0
NEED_EVENTS = 1  # the event buffer is full
NEED_SLOTS = 2  # orders, cold, ring
NEED_WINDOW = 3  # the side in meta.wanted has no window yet
NEED_LEVELS = 4
NEED_FAR = 5
NEED_STREAMS = 6
NEED_CLIENT_IDS = 7
BROKEN = 8  # the caller asked for what the state does not allow: a bug
NEED_EXTRAS = 9
NEED_LIMITS = 10
NEED_STOCKS = 11
NEED_CHAINS = 12  # the chains of all owners are to be made, or made larger

BUY, SELL = int(Side.BUY), int(Side.SELL)
SIDES = 4  # of a book: buys, sells, waiting stop buys, waiting stop sells
STOPS = 2  # from a side to that of its waiting stops
LIMIT, MARKET, MARKET_TO_LIMIT = int(OrderType.LIMIT), int(OrderType.MARKET), int(OrderType.MARKET_TO_LIMIT)
STOP, STOP_LIMIT, ICEBERG = int(OrderType.STOP), int(OrderType.STOP_LIMIT), int(OrderType.ICEBERG)
TYPE_LAST = max(int(x) for x in OrderType)
GTC, IOC, FOK = int(TimeInForce.GTC), int(TimeInForce.IOC), int(TimeInForce.FOK)
DAY, GTD, AT_AUCTION = int(TimeInForce.DAY), int(TimeInForce.GTD), int(TimeInForce.AT_AUCTION)
TIF_LAST = max(int(x) for x in TimeInForce)
REF_NONE, REF_STREAM, REF_TEXT, REF_DIGEST = (int(x) for x in RefForm)
NEW, CANCEL, REPLACE, AMEND = (
    int(CommandKind.NEW),
    int(CommandKind.CANCEL),
    int(CommandKind.REPLACE),
    int(CommandKind.AMEND),
)
POST_ONLY, SLIDE = int(OrderFlag.POST_ONLY), int(OrderFlag.SLIDE)
ALL_OR_NONE, STP_GROUP = int(OrderFlag.ALL_OR_NONE), int(OrderFlag.STP_GROUP)
FLAGS_KNOWN = sum(int(x) for x in OrderFlag)
STP_LAST = max(int(x) for x in StpMode)
STP_NONE, CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH, DECREMENT = (int(x) for x in StpMode)
DEPOSIT, CLASSES, TRADED = int(BookFlag.DEPOSIT), int(BookFlag.CLASSES), int(BookFlag.TRADED)
COLD_FIRST = codes.COLD_FIRST
ROW_VERSION = 1  # of engine.messages.rows, which kernels cannot import; a test compares them

# What events say is int64 and not a literal: a step would be compiled anew for every literal that it is called with.
ACCEPTED, REJECTED, DUPLICATE = int64(EventKind.ACCEPTED), int64(EventKind.REJECTED), int64(EventKind.DUPLICATE)
FILL, CANCELLED, REPLACED = int64(EventKind.FILL), int64(EventKind.CANCELLED), int64(EventKind.REPLACED)
REDUCED, TRIGGERED = int64(EventKind.REDUCED), int64(EventKind.TRIGGERED)
CLASS_REPORT = int64(EventKind.CLASS_REPORT)
REPRICED, AMENDED = int64(EventKind.REPRICED), int64(EventKind.AMENDED)
FLAG_LAST, FLAG_AUCTION, FLAG_UNPRICED = int64(EventFlag.LAST), int64(EventFlag.AUCTION), int64(EventFlag.UNPRICED)
FLAG_CLASS_FIRST, FLAG_STOP = int64(EventFlag.CLASS_FIRST), int64(EventFlag.STOP)
FEE_NONE, FEE_CONTINUOUS, FEE_CALL = int64(FeeClass.NONE), int64(FeeClass.CONTINUOUS), int64(FeeClass.CALL)

KIND_UNKNOWN, KIND_UNSUPPORTED = int64(Reason.KIND_UNKNOWN), int64(Reason.KIND_UNSUPPORTED)
VERSION_UNKNOWN, SIDE_INVALID = int64(Reason.VERSION_UNKNOWN), int64(Reason.SIDE_INVALID)
TYPE_INVALID, TYPE_UNSUPPORTED = int64(Reason.TYPE_INVALID), int64(Reason.TYPE_UNSUPPORTED)
TIF_INVALID, TIF_UNSUPPORTED = int64(Reason.TIF_INVALID), int64(Reason.TIF_UNSUPPORTED)
FLAGS_INVALID, STP_INVALID = int64(Reason.FLAGS_INVALID), int64(Reason.STP_INVALID)
EXTENSION_INVALID, REF_INVALID = int64(Reason.EXTENSION_INVALID), int64(Reason.REF_INVALID)
ACCOUNT_UNKNOWN, INSTRUMENT_UNKNOWN = int64(Reason.ACCOUNT_UNKNOWN), int64(Reason.INSTRUMENT_UNKNOWN)
PHASE_FORBIDS, QTY_RANGE, PRICE_RANGE = int64(Reason.PHASE_FORBIDS), int64(Reason.QTY_RANGE), int64(Reason.PRICE_RANGE)
PRICE_NOT_ALLOWED, NOTIONAL_RANGE = int64(Reason.PRICE_NOT_ALLOWED), int64(Reason.NOTIONAL_RANGE)
SIDE_TOTAL_RANGE, PRICE_BAND, TIF_IN_CALL = (
    int64(Reason.SIDE_TOTAL_RANGE),
    int64(Reason.PRICE_BAND),
    int64(Reason.TIF_IN_CALL),
)
STALE_REF, CLIENT_ID_REUSED = int64(Reason.STALE_REF), int64(Reason.CLIENT_ID_REUSED)
ORDER_UNKNOWN, NOT_OWNER = int64(Reason.ORDER_UNKNOWN), int64(Reason.NOT_OWNER)
INSTRUMENT_MISMATCH, ORDERS_FULL = int64(Reason.INSTRUMENT_MISMATCH), int64(Reason.ORDERS_FULL)
STREAMS_FULL, CLIENT_IDS_FULL = int64(Reason.STREAMS_FULL), int64(Reason.CLIENT_IDS_FULL)
STREAMS_SHARE_FULL, CLIENT_IDS_SHARE_FULL = int64(Reason.STREAMS_SHARE_FULL), int64(Reason.CLIENT_IDS_SHARE_FULL)
BY_OWNER, IOC_REMAINDER, FOK_UNFILLABLE = (
    int64(Reason.BY_OWNER),
    int64(Reason.IOC_REMAINDER),
    int64(Reason.FOK_UNFILLABLE),
)
MARKET_REMAINDER, UNPRICED_REMAINDER = int64(Reason.MARKET_REMAINDER), int64(Reason.UNPRICED_REMAINDER)
AUCTION_REMAINDER, SELF_TRADE = int64(Reason.AUCTION_REMAINDER), int64(Reason.SELF_TRADE)
MIN_QTY_UNFILLABLE, AMENDED_AWAY = int64(Reason.MIN_QTY_UNFILLABLE), int64(Reason.AMENDED_AWAY)
BEYOND_COLLAR, EXPIRED = int64(Reason.BEYOND_COLLAR), int64(Reason.EXPIRED)
VENUE_STOPPED, ACCOUNT_FROZEN = int64(Reason.VENUE_STOPPED), int64(Reason.ACCOUNT_FROZEN)
VALIDITY_PAST, PRICE_COLLAR = int64(Reason.VALIDITY_PAST), int64(Reason.PRICE_COLLAR)
LIMIT_ORDERS, LIMIT_NOTIONAL = int64(Reason.LIMIT_ORDERS), int64(Reason.LIMIT_NOTIONAL)
STOCK_SHORT, TERMS_CONFLICT = int64(Reason.STOCK_SHORT), int64(Reason.TERMS_CONFLICT)
TERMS_IN_CALL, TIF_NEEDS_CALL = int64(Reason.TERMS_IN_CALL), int64(Reason.TIF_NEEDS_CALL)
DISPLAY_RANGE, MIN_QTY_RANGE = int64(Reason.DISPLAY_RANGE), int64(Reason.MIN_QTY_RANGE)
EXPIRY_PAST, POST_ONLY_CROSSES = int64(Reason.EXPIRY_PAST), int64(Reason.POST_ONLY_CROSSES)
SELF_CROSS = int64(Reason.SELF_CROSS)

# Phases as bit masks: bit p says that phase p is in the set.
ENTRY_MASK = sum(1 << int(phase) for phase in codes.ENTRY_PHASES)
CANCEL_MASK = sum(1 << int(phase) for phase in codes.CANCEL_PHASES)
MATCHING_MASK = sum(1 << int(phase) for phase in codes.MATCHING_PHASES)

PRICE_TICKS_MAX = limits.PRICE_TICKS_MAX
QTY_LOTS_MAX = limits.QTY_LOTS_MAX
ICEBERG_PARTS_MAX = limits.ICEBERG_PARTS_MAX
NOTIONAL_MAX = limits.NOTIONAL_MAX
SIDE_TOTAL_LOTS_MAX = limits.SIDE_TOTAL_LOTS_MAX
CLIENT_ID_EXACT_BYTES = limits.CLIENT_ID_EXACT_BYTES
CLIENT_ID_MEMORY_NS = limits.CLIENT_ID_MEMORY_NS

# Rank: the price for sells, its negative for buys; the lower the better, on either side. In a book with classes twice
# that, and one more for orders of no co-op. Of waiting stops: the stop price for buys, its negative for sells.
RANK_NONE = 2**31 - 1  # best rank of a side without priced orders
RANK_ANY = 2**31 - 2  # limit of an unpriced order: every rank is good enough
assert 2 * PRICE_TICKS_MAX + 1 < RANK_ANY

# Hot order flags
LIVE = 1
UNPRICED = 2
NAMED = 4  # text ids point to this order
REF_FORM_SHIFT = 3  # the RefForm of the order's own client_ref
REF_FORM_MASK = 3
EXTRA = 32  # it has a row in State.extras
HELD = 64  # limits or stock are held for it
CHAINED = 128  # it is in the chain of its owner
UNUSUAL = EXTRA | HELD | CHAINED  # its lots and its end concern more than its level

FAR_FIRST = 8  # first capacity of a side's vector of far levels
