"""Codes and limits as plain integers, the only form that kernels freeze in, and the statuses they return."""

from __future__ import annotations

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
STP_NONE, CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH, DECREMENT = (int(x) for x in StpMode)
DEPOSIT, CLASSES, TRADED = int(BookFlag.DEPOSIT), int(BookFlag.CLASSES), int(BookFlag.TRADED)
COLD_FIRST = codes.COLD_FIRST
ROW_VERSION = 1  # of engine.messages.rows, which kernels cannot import; a test compares them

ACCEPTED, REJECTED, DUPLICATE = int(EventKind.ACCEPTED), int(EventKind.REJECTED), int(EventKind.DUPLICATE)
FILL, CANCELLED, REPLACED = int(EventKind.FILL), int(EventKind.CANCELLED), int(EventKind.REPLACED)
REDUCED, TRIGGERED = int(EventKind.REDUCED), int(EventKind.TRIGGERED)
CLASS_REPORT = int(EventKind.CLASS_REPORT)
REPRICED, AMENDED = int(EventKind.REPRICED), int(EventKind.AMENDED)
FLAG_LAST, FLAG_AUCTION, FLAG_UNPRICED = int(EventFlag.LAST), int(EventFlag.AUCTION), int(EventFlag.UNPRICED)
FLAG_CLASS_FIRST, FLAG_STOP = int(EventFlag.CLASS_FIRST), int(EventFlag.STOP)
FEE_NONE, FEE_CONTINUOUS, FEE_CALL = int(FeeClass.NONE), int(FeeClass.CONTINUOUS), int(FeeClass.CALL)

KIND_UNKNOWN, KIND_UNSUPPORTED = int(Reason.KIND_UNKNOWN), int(Reason.KIND_UNSUPPORTED)
VERSION_UNKNOWN, SIDE_INVALID = int(Reason.VERSION_UNKNOWN), int(Reason.SIDE_INVALID)
TYPE_INVALID, TYPE_UNSUPPORTED = int(Reason.TYPE_INVALID), int(Reason.TYPE_UNSUPPORTED)
TIF_INVALID, TIF_UNSUPPORTED = int(Reason.TIF_INVALID), int(Reason.TIF_UNSUPPORTED)
FLAGS_INVALID, STP_INVALID = int(Reason.FLAGS_INVALID), int(Reason.STP_INVALID)
EXTENSION_INVALID, REF_INVALID = int(Reason.EXTENSION_INVALID), int(Reason.REF_INVALID)
ACCOUNT_UNKNOWN, INSTRUMENT_UNKNOWN = int(Reason.ACCOUNT_UNKNOWN), int(Reason.INSTRUMENT_UNKNOWN)
PHASE_FORBIDS, QTY_RANGE, PRICE_RANGE = int(Reason.PHASE_FORBIDS), int(Reason.QTY_RANGE), int(Reason.PRICE_RANGE)
PRICE_NOT_ALLOWED, NOTIONAL_RANGE = int(Reason.PRICE_NOT_ALLOWED), int(Reason.NOTIONAL_RANGE)
SIDE_TOTAL_RANGE, PRICE_BAND, TIF_IN_CALL = (
    int(Reason.SIDE_TOTAL_RANGE),
    int(Reason.PRICE_BAND),
    int(Reason.TIF_IN_CALL),
)
STALE_REF, CLIENT_ID_REUSED = int(Reason.STALE_REF), int(Reason.CLIENT_ID_REUSED)
ORDER_UNKNOWN, NOT_OWNER = int(Reason.ORDER_UNKNOWN), int(Reason.NOT_OWNER)
INSTRUMENT_MISMATCH, ORDERS_FULL = int(Reason.INSTRUMENT_MISMATCH), int(Reason.ORDERS_FULL)
STREAMS_FULL, CLIENT_IDS_FULL = int(Reason.STREAMS_FULL), int(Reason.CLIENT_IDS_FULL)
STREAMS_SHARE_FULL, CLIENT_IDS_SHARE_FULL = int(Reason.STREAMS_SHARE_FULL), int(Reason.CLIENT_IDS_SHARE_FULL)
BY_OWNER, IOC_REMAINDER, FOK_UNFILLABLE = (
    int(Reason.BY_OWNER),
    int(Reason.IOC_REMAINDER),
    int(Reason.FOK_UNFILLABLE),
)
MARKET_REMAINDER, UNPRICED_REMAINDER = int(Reason.MARKET_REMAINDER), int(Reason.UNPRICED_REMAINDER)
AUCTION_REMAINDER, SELF_TRADE = int(Reason.AUCTION_REMAINDER), int(Reason.SELF_TRADE)
MIN_QTY_UNFILLABLE, AMENDED_AWAY = int(Reason.MIN_QTY_UNFILLABLE), int(Reason.AMENDED_AWAY)
BEYOND_COLLAR, EXPIRED = int(Reason.BEYOND_COLLAR), int(Reason.EXPIRED)
VENUE_STOPPED, ACCOUNT_FROZEN = int(Reason.VENUE_STOPPED), int(Reason.ACCOUNT_FROZEN)
VALIDITY_PAST, PRICE_COLLAR = int(Reason.VALIDITY_PAST), int(Reason.PRICE_COLLAR)
LIMIT_ORDERS, LIMIT_NOTIONAL = int(Reason.LIMIT_ORDERS), int(Reason.LIMIT_NOTIONAL)
STOCK_SHORT, TERMS_CONFLICT = int(Reason.STOCK_SHORT), int(Reason.TERMS_CONFLICT)
TERMS_IN_CALL, TIF_NEEDS_CALL = int(Reason.TERMS_IN_CALL), int(Reason.TIF_NEEDS_CALL)
DISPLAY_RANGE, MIN_QTY_RANGE = int(Reason.DISPLAY_RANGE), int(Reason.MIN_QTY_RANGE)
EXPIRY_PAST, POST_ONLY_CROSSES = int(Reason.EXPIRY_PAST), int(Reason.POST_ONLY_CROSSES)
SELF_CROSS = int(Reason.SELF_CROSS)

# Phases as bit masks: bit p says that phase p is in the set.
ENTRY_MASK = sum(1 << int(phase) for phase in codes.ENTRY_PHASES)
CANCEL_MASK = sum(1 << int(phase) for phase in codes.CANCEL_PHASES)
MATCHING_MASK = sum(1 << int(phase) for phase in codes.MATCHING_PHASES)

PRICE_TICKS_MAX = limits.PRICE_TICKS_MAX
QTY_LOTS_MAX = limits.QTY_LOTS_MAX
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
