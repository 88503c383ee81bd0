"""What a refusal looks like: RFC 9457 problems with stable codes, the same over REST and WebSocket.

A code is either the lower-case name of an engine `Reason` or one of the gateway's own in `GATEWAY_STATUS`. Each has one
HTTP status; a reason that blames one field of a request also has the pointer of that field.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from engine.codes import Reason, name_of

# Codes that the gateway itself gives, and their HTTP status.
GATEWAY_STATUS: dict[str, int] = {
    # form
    "malformed": 400,
    "invalid_field": 422,
    "missing_field": 422,
    "unknown_field": 422,
    "off_tick": 422,
    "off_lot": 422,
    "id_invalid": 422,
    "idempotency_key_missing": 400,
    "idempotency_key_reused": 422,
    "encoding_refused": 415,
    "media_type_unsupported": 415,
    "not_acceptable": 406,
    # who
    "missing_key": 401,
    "unknown_key": 401,
    "key_expired": 401,
    "not_permitted": 403,
    "auth_required": 401,
    # where
    "not_found": 404,
    "method_not_allowed": 405,
    "account_unknown": 404,
    "key_unknown": 404,
    "channel_unknown": 422,
    "op_unknown": 422,
    # how much
    "too_large": 413,
    "too_many_connections": 429,
    "too_many_subscriptions": 429,
    "too_many_in_flight": 429,
    "rate_limited": 429,
    # when
    "busy": 503,
    "not_ready": 503,
    "behind": 503,
    "storage_failed": 503,
    "storage_low": 503,
    "keys_lost": 503,
    "slow_consumer": 503,
    "internal": 500,
}

_NOT_FOUND = {
    Reason.ORDER_UNKNOWN,
    Reason.SALE_UNKNOWN,
    Reason.LOT_UNKNOWN,
    Reason.TRADE_UNKNOWN,
    Reason.BID_UNKNOWN,
    Reason.AWARD_UNKNOWN,
    Reason.LOT_NOT_DESCRIBED,
    Reason.SEASON_UNKNOWN,
}
_CONFLICT = {
    Reason.PHASE_FORBIDS,
    Reason.STALE_REF,
    Reason.CLIENT_ID_REUSED,
    Reason.ALREADY_EXISTS,
    Reason.PHASE_MOVE_ILLEGAL,
    Reason.SALE_CLOSED,
    Reason.BID_LATE,
    Reason.INSTRUMENT_MISMATCH,
    Reason.VALIDITY_PAST,
    Reason.POST_ONLY_CROSSES,
    Reason.SELF_CROSS,
    Reason.ORDERS_OPEN,
    Reason.STOCK_SHORT,
    Reason.ALREADY_BUSTED,
    Reason.VENUE_STOPPED,
    Reason.SALE_NOT_OPEN,
    Reason.VERSION_STALE,
    Reason.TERMS_FIXED,
    Reason.AGREEMENT_OTHER,
    Reason.PRICE_MOVED,
    Reason.JOINING_OVER,
    Reason.BUTTON_RELEASED,
    Reason.NOT_HOLDING,
    Reason.BIDS_NOT_CLOSED,
    Reason.ACT_UNFIT,
    Reason.LOT_FIXED,
    Reason.LOT_IN_SALE,
    Reason.LOT_MISMATCH,
}
_FORBIDDEN = {
    Reason.NOT_OWNER,
    Reason.NOT_PERMITTED,
    Reason.ACCOUNT_UNKNOWN,
    Reason.ACCOUNT_FROZEN,
    Reason.SELF_BID,
    Reason.NOT_REGISTERED,
    Reason.NOT_ADMITTED,
    Reason.COMMITMENT_LIMIT,
}
_FULL = {Reason.ORDERS_FULL, Reason.STREAMS_FULL, Reason.CLIENT_IDS_FULL}
_SHARE_FULL = {Reason.STREAMS_SHARE_FULL, Reason.CLIENT_IDS_SHARE_FULL}

# The field of a request that a reason blames.
POINTER: dict[Reason, str] = {
    Reason.SIDE_INVALID: "/side",
    Reason.TYPE_INVALID: "/type",
    Reason.TYPE_UNSUPPORTED: "/type",
    Reason.TIF_INVALID: "/time_in_force",
    Reason.TIF_UNSUPPORTED: "/time_in_force",
    Reason.TIF_IN_CALL: "/time_in_force",
    Reason.REF_INVALID: "/client_order_id",
    Reason.CLIENT_ID_REUSED: "/client_order_id",
    Reason.INSTRUMENT_UNKNOWN: "/instrument",
    Reason.INSTRUMENT_MISMATCH: "/instrument",
    Reason.PHASE_FORBIDS: "/instrument",
    Reason.QTY_RANGE: "/quantity",
    Reason.NOTIONAL_RANGE: "/quantity",
    Reason.SIDE_TOTAL_RANGE: "/quantity",
    Reason.PRICE_RANGE: "/price",
    Reason.PRICE_NOT_ALLOWED: "/price",
    Reason.PRICE_BAND: "/price",
    Reason.PRICE_COLLAR: "/price",
    Reason.POST_ONLY_CROSSES: "/price",
    Reason.SELF_CROSS: "/price",
    Reason.TERMS_CONFLICT: "/type",
    Reason.TIF_NEEDS_CALL: "/time_in_force",
    Reason.DISPLAY_RANGE: "/display_quantity",
    Reason.MIN_QTY_RANGE: "/minimum_quantity",
    Reason.EXPIRY_PAST: "/expire_at",
    Reason.VALIDITY_PAST: "/valid_until",
    Reason.STOCK_SHORT: "/quantity",
    Reason.LIMIT_NOTIONAL: "/quantity",
    Reason.CURRENCY_UNKNOWN: "/currency",
    Reason.STOCK_NOT_KEPT: "/instrument",
    Reason.TRADE_UNKNOWN: "/fill_id",
    Reason.ALREADY_BUSTED: "/fill_id",
    Reason.ORDER_UNKNOWN: "/order_id",
    Reason.NOT_OWNER: "/order_id",
    Reason.PHASE_MOVE_ILLEGAL: "/phase",
    Reason.SALE_UNKNOWN: "/sale",
    Reason.LOT_UNKNOWN: "/lot",
    Reason.BID_LOW: "/maximum",
    Reason.BID_INCREMENT: "/maximum",
    Reason.MAXIMUM_BELOW_PRICE: "/maximum",
    Reason.SELF_BID: "/lot",
    Reason.BAGS_RANGE: "/bags",
    Reason.AGREEMENT_OTHER: "/agreement",
    Reason.VERSION_STALE: "/version",
    Reason.BID_UNKNOWN: "/bid",
    Reason.PRICE_MOVED: "/price",
    Reason.KEY_WRONG: "/keys",
    Reason.ALLOWANCE_RANGE: "/price",
    Reason.SHARES_UNFIT: "/shares",
    Reason.LOT_INVALID: "/lot",
    Reason.SEASON_UNKNOWN: "/season",
    Reason.BID_HIGH: "/minimum",
    Reason.MINIMUM_ABOVE_PRICE: "/minimum",
}

_DETAIL: dict[Reason, str] = {
    Reason.PHASE_FORBIDS: "The instrument's present phase does not allow this.",
    Reason.QTY_RANGE: "The quantity must be from 1 to the most that the instrument takes.",
    Reason.PRICE_RANGE: "The price is out of bounds.",
    Reason.PRICE_NOT_ALLOWED: "An order of this type has no limit price.",
    Reason.NOT_PERMITTED: "This account may not do that.",
    Reason.SIDE_TOTAL_RANGE: "This side of the book, or the deposit, cannot hold more lots.",
    Reason.BODY_INVALID: "The parts of this request do not go together.",
    Reason.ALREADY_EXISTS: "That is so already.",
    Reason.LIMIT_REACHED: "The venue holds as many of these as it can.",
    Reason.RULES_UNKNOWN: "There is no such set of rules for a call.",
    Reason.ACCOUNT_UNKNOWN: "There is no such account.",
    Reason.VENUE_STOPPED: "The operator has stopped the venue: it takes no orders or bids. Cancels go on.",
    Reason.ACCOUNT_FROZEN: "The account is frozen: it may cancel, nothing else.",
    Reason.VALIDITY_PAST: "The request came after its valid_until.",
    Reason.PRICE_COLLAR: "The price is outside the collar around the reference.",
    Reason.TERMS_CONFLICT: "Type, time in force and options of this order do not go together.",
    Reason.TERMS_IN_CALL: "post_only, all_or_none and a minimum quantity are not accepted while orders are collected.",
    Reason.TIF_NEEDS_CALL: "at_auction is accepted only while orders are collected for a call.",
    Reason.DISPLAY_RANGE: "An iceberg shows from 1 lot to its whole quantity.",
    Reason.MIN_QTY_RANGE: "The minimum quantity is at most the quantity.",
    Reason.EXPIRY_PAST: "The order would have expired already.",
    Reason.POST_ONLY_CROSSES: "A post-only order would have traded at once.",
    Reason.SELF_CROSS: "The order would cross one of your own.",
    Reason.LIMIT_ORDERS: "The account has as many open orders in this currency as it may have.",
    Reason.LIMIT_NOTIONAL: "The account's open orders of this side and currency would be worth more than they may be.",
    Reason.STOCK_SHORT: "There are not so many deposited lots that are free.",
    Reason.ORDERS_OPEN: "This is not possible while there are open orders.",
    Reason.CURRENCY_UNKNOWN: "No instrument is quoted in this currency.",
    Reason.STOCK_NOT_KEPT: "This instrument asks for no deposit.",
    Reason.TRADE_UNKNOWN: "There is no fill by this name with these terms.",
    Reason.ALREADY_BUSTED: "The trade was busted before.",
    Reason.PRICE_BAND: "The price is outside the range of the instrument.",
    Reason.NOTIONAL_RANGE: "Price times quantity is more than the venue can hold.",
    Reason.TIF_IN_CALL: "ioc and fok are not accepted while orders are collected for a call.",
    Reason.STALE_REF: "The number is not above the last one taken on this stream.",
    Reason.CLIENT_ID_REUSED: "This client id was used with another content.",
    Reason.ORDER_UNKNOWN: "There is no open order by this name.",
    Reason.NOT_OWNER: "The order belongs to another account.",
    Reason.INSTRUMENT_MISMATCH: "The order is in another instrument.",
    Reason.INSTRUMENT_UNKNOWN: "There is no such instrument.",
    Reason.SALE_UNKNOWN: "There is no such sale.",
    Reason.LOT_UNKNOWN: "There is no such lot in this sale.",
    Reason.SALE_CLOSED: "The sale takes no more bids on this lot.",
    Reason.BID_LATE: "The bid came at or after the end of the clock.",
    Reason.BID_LOW: "The maximum is below the least that would lead.",
    Reason.BID_INCREMENT: "The maximum is not a whole number of increments above the opening price.",
    Reason.MAXIMUM_BELOW_PRICE: "A leader's maximum cannot go below the price of the lot.",
    Reason.SELF_BID: "A seller does not bid on its own lot.",
    Reason.SALE_NOT_OPEN: "The sale takes no bids yet.",
    Reason.NOT_REGISTERED: "The account has not registered for this sale, or not for the agreement that holds.",
    Reason.NOT_ADMITTED: "The operator has not admitted this account to the sale.",
    Reason.OFFER_UNFIT: "This sale does not take offers of this kind.",
    Reason.COMMITMENT_LIMIT: "What the account's bids could come to would be more than its bound in this sale.",
    Reason.VERSION_STALE: "New terms have the version after the one that holds.",
    Reason.TERMS_FIXED: "The sale, or the stage whose time was to change, has begun.",
    Reason.AGREEMENT_OTHER: "This is not the agreement that the terms of the sale name.",
    Reason.BID_UNKNOWN: "No bid by this number stands or waits.",
    Reason.BAGS_RANGE: "Not so many bags of this lot, or not so few.",
    Reason.PRICE_MOVED: "The clock shows another price than the one named.",
    Reason.JOINING_OVER: "The price rises already: who has not pressed before takes no part in this lot.",
    Reason.BUTTON_RELEASED: "Who has let go of a lot cannot come back.",
    Reason.BID_HIGH: "The minimum is above the most that would lead.",
    Reason.MINIMUM_ABOVE_PRICE: "A leader's minimum cannot go above the price of the lot.",
    Reason.NOT_HOLDING: "The account does not hold this lot's button.",
    Reason.BIDS_NOT_CLOSED: "Keys are taken after the closing time, not before.",
    Reason.KEY_WRONG: "The key does not fit the commitment of the bid: it opens nothing.",
    Reason.AWARD_UNKNOWN: "There is no such award.",
    Reason.ACT_UNFIT: "The award is in a state that does not take this.",
    Reason.ALLOWANCE_RANGE: "The price is not below what was sold at, or not the one that was asked for.",
    Reason.SHARES_UNFIT: "The shares add up to the bags of the award, each with one account or one label.",
    Reason.LOT_INVALID: "The description of a lot has errors, or holds no longer.",
    Reason.LOT_FIXED: "A sale that has this lot has opened: its description stands.",
    Reason.LOT_IN_SALE: "Another sale has this lot, or it was sold; or what its sale says of it would change.",
    Reason.LOT_NOT_DESCRIBED: "There is no such lot in the catalogue.",
    Reason.LOT_MISMATCH: "Seller, bags and bag weight of a lot are those of the catalogue.",
    Reason.SEASON_UNKNOWN: "There is no such season.",
    Reason.SEASON_PERIOD: "That is not within the days of the season.",
    Reason.SEASON_PRODUCT: "The season is not for this product.",
    Reason.KEY_MISSING: "The key of this sealed bid did not come in time.",
    Reason.SEAL_BROKEN: "The key does not open this sealed bid.",
    Reason.CONTENTS_INVALID: "What is inside this sealed bid is no bid in this sale.",
    Reason.BELOW_RESERVE: "The price is below the reserve.",
    Reason.ROUND_OTHER: "Another round runs.",
    Reason.ROUND_ONE_MISSED: "Who did not bid in round one takes no part.",
    Reason.BAGS_RISE: "In all, bags can only be kept or lowered from round to round.",
    Reason.BAGS_HELD: "Bags of a product whose price has not risen cannot be lowered.",
    Reason.BAGS_STEP: "Bags come in whole steps, no more than there are.",
    Reason.PROXY_FALLS: "Limits of an instruction have rising prices and falling quantities.",
    Reason.PROBLEM_OPEN: "Bids are still taken: nothing is to be solved yet.",
    Reason.PROBLEM_OTHER: "This proposal is for another problem.",
    Reason.PROPOSAL_INFEASIBLE: "The proposal gives what nobody asked for, or more than there is.",
    Reason.PROOF_FAILS: "The proof of the proposal does not hold.",
    Reason.PHASE_MOVE_ILLEGAL: "The instrument cannot move to this phase from the one it is in.",
}


def status_of(reason: int) -> int:
    """HTTP status of an engine reason."""
    if reason in _NOT_FOUND:
        return 404
    if reason in _CONFLICT:
        return 409
    if reason in _FORBIDDEN:
        return 403
    if reason in _SHARE_FULL:
        return 429
    return 503 if reason in _FULL else 422


class Problem(Exception):
    """A refusal on its way out. `extra` members stand beside the RFC's own."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        pointer: str | None = None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.pointer = code, detail, pointer
        self.status = GATEWAY_STATUS.get(code, 422) if status is None else status
        self.headers = headers or {}
        self.extra = extra

    def under(self, prefix: str) -> Problem:
        """The same problem, its pointer below `prefix` (an order inside a batch)."""
        if self.pointer is not None:
            self.pointer = prefix + self.pointer
        return self

    def body(self, trace_id: str | None = None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"urn:qhatu:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.pointer is not None:
            body["errors"] = [{"pointer": self.pointer, "code": self.code, "detail": self.detail}]
        if trace_id is not None:
            body["trace_id"] = trace_id
        return body | self.extra


def of_reason(reason: int, **extra: Any) -> Problem:
    """The problem that tells of an engine reject."""
    code = name_of(Reason, reason)
    try:
        known = Reason(reason)
    except ValueError:
        return Problem(code, "The engine refused the command.", status=422, **extra)
    detail = _DETAIL.get(known, f"The engine refused the command: {code.replace('_', ' ')}.")
    return Problem(code, detail, pointer=POINTER.get(known), status=status_of(reason), **extra)


def busy(retry_after_ms: int = 50, **extra: Any) -> Problem:
    """The inbox is full: the message was refused whole and changed nothing."""
    return Problem(
        "busy",
        "The venue has more to do than it can hold; nothing of this was taken.",
        headers={"Retry-After": "1"},
        retry_after_ms=retry_after_ms,
        **extra,
    )


def storage_failed(**extra: Any) -> Problem:
    """The outcome is unknown: the command may or may not be in the log."""
    return Problem(
        "storage_failed",
        "The outcome is unknown. Ask again with the same id: it takes effect at most once.",
        retry_same_id=True,
        **extra,
    )


def storage_low(**extra: Any) -> Problem:
    """The disk is nearly full: the message was refused whole and changed nothing."""
    return Problem(
        "storage_low",
        "The venue's disk is nearly full: nothing of this was taken. Cancels and reads go on.",
        headers={"Retry-After": "5"},
        retry_after_ms=5_000,
        **extra,
    )


_AT = re.compile(r" - at `([^`]*)`$")
_FIELD = re.compile(r"field `([^`]*)`")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[\.\.\.\]")


def of_validation(error: Exception, root: str = "") -> Problem:
    """A msgspec refusal as a problem: `malformed` for bytes that do not parse, else the field that does not fit."""
    text = str(error)
    if isinstance(error, RecursionError):
        return Problem("malformed", "The document is nested too deeply.")
    if not isinstance(error, msgspec.ValidationError):
        return Problem("malformed", f"The message does not parse: {text[:200]}")
    path = ""
    if found := _AT.search(text):
        path = "".join(f"/{name or number or '-'}" for name, number in _STEP.findall(found[1]))
        text = text[: found.start()]
    code = "invalid_field"
    if "unknown field" in text:
        code = "unknown_field"
    elif "missing required field" in text:
        code = "missing_field"
    if code != "invalid_field" and (field := _FIELD.search(text)):
        path += f"/{field[1]}"
    return Problem(code, text[:200] + ".", pointer=root + path)
