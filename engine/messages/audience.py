"""Who may see what of each event: one table, used by REST, WebSocket, files, sinks and logs alike.

A view is the set of event fields that its reader may see. `public` goes to every reader of a feed; `account` and
`counter` to the parties named in the event's `account` and `counter_account`; `operator` to the holder of that role.
A field that is not listed is left out, not zeroed. A secret maximum exists in its owner's view alone.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.codes import EventKind

Fields = frozenset[str]


class Audience(NamedTuple):
    public: Fields
    account: Fields
    counter: Fields
    operator: Fields


def _fields(text: str) -> Fields:
    return frozenset(text.split())


NOBODY: Fields = frozenset()
_ORDER = _fields("kind side flags reason instrument price account order qty leaves")
_ALL = _fields(
    "kind side flags reason fee_class instrument price account counter_account order counter_order qty leaves"
)
_TRADE = _fields("kind side flags instrument price qty")
_PLAIN = _fields("kind reason instrument price qty leaves flags order")
_LOT = _fields("kind instrument order price qty")
_OWN_LOT = _fields("kind instrument order price qty account reason")

_private = Audience(NOBODY, _ORDER, NOBODY, _ORDER)
_register = Audience(NOBODY, NOBODY, NOBODY, _ALL)
_open = Audience(_PLAIN, _PLAIN, _PLAIN, _ALL)
_account = Audience(NOBODY, _fields("kind flags reason instrument account order qty leaves"), NOBODY, _ALL)
_SEED = _fields("kind instrument order counter_order qty leaves")
_REPORT = _fields("kind instrument price qty leaves")  # of a trade of the past: public, without the name of its fill
_OWN_REPORT = _REPORT | _fields("order counter_order")
_report = Audience(_REPORT, _OWN_REPORT | {"account"}, _OWN_REPORT | {"counter_account"}, _ALL)
_own_bid = Audience(NOBODY, _OWN_LOT, NOBODY, _OWN_LOT - {"price"})
_AWARD = _fields("kind instrument order price qty reason leaves counter_order")
_decided_bid = Audience(NOBODY, _OWN_LOT | {"counter_order"}, NOBODY, _OWN_LOT - {"price"} | {"counter_order"})

AUDIENCE: dict[EventKind, Audience] = {
    EventKind.ACCEPTED: _private,
    EventKind.REJECTED: Audience(NOBODY, _ORDER | {"counter_order"}, NOBODY, _ORDER),
    EventKind.DUPLICATE: Audience(NOBODY, _ORDER | {"counter_order"}, NOBODY, _ORDER),
    EventKind.FILL: Audience(
        _TRADE,
        _TRADE | _fields("fee_class account order"),
        _TRADE | _fields("fee_class counter_account counter_order leaves"),
        _ALL,
    ),
    EventKind.CANCELLED: _private,
    EventKind.REPLACED: _private,
    EventKind.REDUCED: _private,
    EventKind.TRIGGERED: _private,
    EventKind.REPRICED: _private,
    EventKind.AMENDED: _private,
    EventKind.TIMER: _register,
    EventKind.RESUMED: _open,
    EventKind.SKIPPED: _register,
    EventKind.DONE: _register,
    EventKind.ACCOUNT_OPENED: _register,
    EventKind.KEY_ADDED: _register,
    EventKind.KEY_REVOKED: _register,
    EventKind.INSTRUMENT_LISTED: _open,
    EventKind.REFERENCE_SET: _open,
    EventKind.SCHEDULED: _open,
    EventKind.GENERATION_OPENED: _register,
    EventKind.ACCOUNT_SET: _account,
    EventKind.LIMITS_SET: _account,
    EventKind.DEPOSITED: _account,
    EventKind.INSTRUMENT_CHANGED: _open,
    EventKind.INSTRUMENT_DELISTED: _open,
    EventKind.PHASE: _open,
    EventKind.UNCROSSED: _open,
    EventKind.CLASS_REPORT: _open,
    EventKind.COLLAR_SET: _open,
    EventKind.CALL_EXTENDED: _open,
    EventKind.CALL_HELD: _open,
    EventKind.RANDOM_END: _open,
    EventKind.SEED_COMMITTED: Audience(_SEED, _SEED, _SEED, _SEED),
    EventKind.SEED_REVEALED: Audience(_SEED, _SEED, _SEED, _SEED),
    EventKind.MASS_CANCELLED: _account,
    EventKind.CANCEL_AFTER_SET: _account,
    EventKind.KILL_SWITCHED: _open,
    EventKind.TRADE_BUSTED: _report,
    EventKind.TRADE_CORRECTED: _report,
    EventKind.SALE_OPENED: _open,
    EventKind.BID_ACCEPTED: _own_bid,
    EventKind.BID_LATE: _own_bid,
    EventKind.LOT_PRICE: Audience(_LOT, _LOT, _LOT, _LOT),
    EventKind.LOT_LEADER: Audience(NOBODY, _OWN_LOT, NOBODY, _OWN_LOT),
    EventKind.LOT_OUTBID: Audience(NOBODY, _OWN_LOT, NOBODY, _OWN_LOT),
    EventKind.CLOCK: _open,
    EventKind.LOT_SOLD: Audience(_LOT, _LOT | {"account"}, _LOT | {"counter_account"}, _ALL),
    EventKind.LOT_PASSED_IN: Audience(_LOT, _LOT, _LOT, _ALL),
    EventKind.SALE_FINISHED: _open,
    EventKind.SALE_PLANNED: _open,
    EventKind.SALE_STAGE: _open,
    EventKind.BIDDER_SET: Audience(NOBODY, _fields("kind order account qty leaves"), NOBODY, _ALL),
    EventKind.LOT_CHANGED: Audience(_LOT, _LOT, _LOT, _LOT),
    EventKind.ROUND: _open,
    EventKind.BID_VOIDED: _decided_bid,
    EventKind.BID_WAITS: _decided_bid,
    EventKind.AWARD_SET: Audience(NOBODY, _AWARD | {"account"}, _AWARD | {"counter_account"}, _ALL),
    EventKind.LOT_DESCRIBED: _open,
    EventKind.SEASON_DEFINED: _open,
    EventKind.SALE_VOIDED: _open,
    EventKind.LET_GO: Audience(NOBODY, _OWN_LOT, NOBODY, NOBODY),
    EventKind.PROBLEM_FROZEN: Audience(_SEED, _SEED, _SEED, _SEED),
    EventKind.PROPOSAL_TAKEN: _register,
    EventKind.SEALED_BID: Audience(NOBODY, _OWN_LOT | {"counter_order"}, NOBODY, NOBODY),
    EventKind.BIDS_CLOSED: _open,
    EventKind.BID_OPENED: _decided_bid,
    EventKind.KEY_REFUSED: _decided_bid,
    EventKind.AWARD_SPLIT: Audience(NOBODY, _fields("kind instrument order account qty counter_order"), NOBODY, _ALL),
}
assert set(AUDIENCE) == set(EventKind), "every kind of event says who may see it"
