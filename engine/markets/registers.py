"""Registers: accounts, keys, instruments, and the configuration that they came from.

A repeat changes nothing: what exists is refused with ALREADY_EXISTS, so a genesis that was interrupted can be sent
again as a whole.
"""

from __future__ import annotations

import msgspec

from engine import limits
from engine.codes import EventKind, Reason, Rest
from engine.domain.instruments import Instrument
from engine.domain.units import UnitError
from engine.markets import collars
from engine.markets.rule_sets import RULE_SETS
from engine.markets.turn import Turn
from engine.messages import bodies
from engine.state.venue import Account, Key

# Rule sets that a book can be listed with: those that give all the volume out, in one pass.
LIVE_RULE_SETS = frozenset(
    name
    for name, rules in RULE_SETS.items()
    if rules.sharing.rest != Rest.NOBODY and (rules.sharing.rest != Rest.LOT_EACH or rules.sharing.least == 1)
)


def genesis(turn: Turn, body: bodies.Genesis) -> Reason:
    """Note which configuration the venue runs on. Another digest later says that another one was applied."""
    if body.config_digest == turn.venue.config_digest:
        return Reason.ALREADY_EXISTS
    turn.venue.config_digest, turn.venue.name = body.config_digest, body.venue
    return Reason.NONE


def open_account(turn: Turn, body: bodies.OpenAccount) -> Reason:
    if body.account in turn.venue.accounts:
        return Reason.ALREADY_EXISTS
    turn.venue.accounts[body.account] = Account(body.account, body.label, body.kind)
    turn.hot.open_account(body.account)
    turn.emit(EventKind.ACCOUNT_OPENED, account=body.account)
    return Reason.NONE


def add_key(turn: Turn, body: bodies.AddKey) -> Reason:
    """A revoked key is never accepted again: its token may be in other hands."""
    venue = turn.venue
    if body.account not in venue.accounts:
        return Reason.ACCOUNT_UNKNOWN
    if body.key_hash in venue.keys or body.key_hash in venue.revoked_keys:
        return Reason.ALREADY_EXISTS
    if body.expires_ns and body.expires_ns <= turn.ts_ns:
        return Reason.DUE_IN_PAST
    if len(venue.keys) + len(venue.revoked_keys) >= limits.KEYS_MAX:
        return Reason.LIMIT_REACHED
    venue.keys[body.key_hash] = Key(body.account, body.roles, body.expires_ns)
    turn.emit(EventKind.KEY_ADDED, account=body.account)
    return Reason.NONE


def revoke_key(turn: Turn, body: bodies.RevokeKey) -> Reason:
    key = turn.venue.keys.get(body.key_hash)
    if key is None:
        return Reason.KEY_UNKNOWN
    del turn.venue.keys[body.key_hash]
    turn.venue.revoked_keys.add(body.key_hash)
    turn.emit(EventKind.KEY_REVOKED, account=key.account)
    return Reason.NONE


def list_instrument(turn: Turn, body: bodies.ListInstrument) -> Reason:
    """A new book, in phase CLOSED. A number or symbol that was delisted never comes back."""
    venue = turn.venue
    if body.instrument in venue.instruments or body.instrument in venue.delisted or body.symbol in venue.by_symbol:
        return Reason.ALREADY_EXISTS
    if body.rules not in LIVE_RULE_SETS:
        return Reason.RULES_UNKNOWN
    currency = venue.currencies.get(body.currency, len(venue.currencies) + 1)
    if currency > limits.CURRENCIES_MAX:
        return Reason.LIMIT_REACHED
    try:
        new = Instrument.listed(**msgspec.structs.asdict(body), currency_number=currency)
    except UnitError:
        return Reason.BODY_INVALID
    if new.reference is not None and not new.in_band(new.reference):
        return Reason.PRICE_BAND
    venue.currencies[new.currency] = currency
    venue.instruments[new.instrument] = new
    venue.by_symbol[new.symbol] = new.instrument
    turn.hot.list_instrument(
        new.instrument,
        multiplier=new.multiplier,
        price_min=new.price_min,
        price_max=new.price_max,
        qty_max=new.qty_max,
        currency=currency,
        deposit=new.deposit,
        classes=new.classes,
    )
    turn.emit(EventKind.INSTRUMENT_LISTED, instrument=new.instrument)
    collars.follow(turn, new)
    return Reason.NONE
