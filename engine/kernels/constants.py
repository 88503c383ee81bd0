"""Codes and limits as plain integers, the only form that kernels freeze in, and the statuses they return."""

from __future__ import annotations

from engine import codes, limits
from engine.codes import CommandKind, EventFlag, EventKind, FeeClass, OrderType, Reason, RefForm, Side, TimeInForce

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

BUY, SELL = int(Side.BUY), int(Side.SELL)
LIMIT, MARKET = int(OrderType.LIMIT), int(OrderType.MARKET)
TYPE_LAST = max(int(x) for x in OrderType)
GTC, IOC, FOK = int(TimeInForce.GTC), int(TimeInForce.IOC), int(TimeInForce.FOK)
TIF_LAST = max(int(x) for x in TimeInForce)
REF_NONE, REF_STREAM, REF_TEXT, REF_DIGEST = (int(x) for x in RefForm)
NEW, CANCEL, REPLACE, AMEND = (
    int(CommandKind.NEW),
    int(CommandKind.CANCEL),
    int(CommandKind.REPLACE),
    int(CommandKind.AMEND),
)
COLD_FIRST = codes.COLD_FIRST
ROW_VERSION = 1  # of engine.messages.rows, which kernels cannot import; a test compares them

ACCEPTED, REJECTED, DUPLICATE = int(EventKind.ACCEPTED), int(EventKind.REJECTED), int(EventKind.DUPLICATE)
FILL, CANCELLED, REPLACED = int(EventKind.FILL), int(EventKind.CANCELLED), int(EventKind.REPLACED)
FLAG_LAST, FLAG_AUCTION, FLAG_UNPRICED = int(EventFlag.LAST), int(EventFlag.AUCTION), int(EventFlag.UNPRICED)
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

# Rank: the price for sells, its negative for buys; the lower the better, on either side.
RANK_NONE = 2**31 - 1  # best rank of a side without priced orders
RANK_ANY = 2**31 - 2  # limit of an unpriced order: every rank is good enough
assert PRICE_TICKS_MAX < RANK_ANY

# Hot order flags
LIVE = 1
UNPRICED = 2
NAMED = 4  # text ids point to this order
REF_FORM_SHIFT = 3  # the RefForm of the order's own client_ref

FAR_FIRST = 8  # first capacity of a side's vector of far levels
