"""Bodies of cold commands: msgspec structs, msgpack arrays on disk, `decode_body(kind, bytes)`.

Every field is bounded by its type, so that a body which decodes is well formed; what the venue's state must say about
it (known account, legal move, open sale) is checked by the rule that applies it. Times are int64 ns of venue time.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from engine import limits
from engine.codes import CommandKind
from engine.messages.body import (
    U4,
    AccountId,
    Body,
    Bps,
    Code,
    Currency,
    DecimalText,
    Digest,
    ExtensionNs,
    Extensions,
    FloorTicks,
    InstrumentId,
    Label,
    Name,
    Outcome,
    PriceTicks,
    QtyLots,
    Rules,
    TimeNs,
    WidenBps,
)
from engine.messages.sales.after import Settle, Split
from engine.messages.sales.commands import (
    Admit,
    Bid,
    DecideBid,
    DescribeLot,
    EndSale,
    Register,
    VoidSale,
)
from engine.messages.sales.packages import Propose
from engine.messages.sales.sealed import OpenBids
from engine.messages.sales.seasons import DefineSeason
from engine.messages.sales.terms import SaleTerms


class Time(Body, frozen=True):
    """Nothing but the record's time: fires what is due."""


class Resume(Body, frozen=True):
    """First record after a start: the venue was last known alive at `last_ts_ns` and goes on at `now_ns`."""

    last_ts_ns: TimeNs
    now_ns: TimeNs


class Skip(Body, frozen=True):
    """Operator's: pass over the command `seq` whenever the log is replayed."""

    seq: Annotated[int, Meta(ge=1)]
    why: Label = ""


class Genesis(Body, frozen=True):
    """The configuration that became commands: its digest, so that an edited file is noticed and changes nothing."""

    config_digest: Digest
    venue: Name


class Generation(Body, frozen=True):
    """The first record of a generation of the rules: the state at the end of the one before became this one."""

    before: U4
    after: U4
    hash_before: Digest  # of the state, as the older generation has it
    hash_after: Digest
    release: Label = ""  # that opened it


class KillSwitch(Body, frozen=True):
    """Operator's: on, no order or bid is taken in the whole venue, and calendars and sale clocks stand still; off, they
    go on as after an outage. Cancels are always taken."""

    on: bool
    why: Label = ""
    cancel: bool = False  # with on: every open order


class OpenAccount(Body, frozen=True):
    account: AccountId
    label: Label  # pseudonymous; a person's name never enters the log
    kind: Annotated[str, Meta(pattern=r"^(coop|importer|operator|analyst|other)\Z")] = "other"


class AddKey(Body, frozen=True):
    key_hash: Annotated[bytes, Meta(min_length=32, max_length=32)]  # SHA-256 of the bearer token
    account: AccountId
    roles: Annotated[int, Meta(ge=1, le=15)]  # Role bits
    expires_ns: TimeNs = 0  # 0: never


class RevokeKey(Body, frozen=True):
    key_hash: Annotated[bytes, Meta(min_length=32, max_length=32)]


class ListInstrument(Body, frozen=True):
    """One instrument with its own book. `price` in the wire = ticks x tick_size, per `price_unit`.

    value of a fill = ticks x lots x value_numerator / value_denominator, in minor units (cents) of currency, rounded
    once, half to even.
    """

    instrument: InstrumentId
    symbol: Code
    name: Label
    commodity: Label
    tick_size: DecimalText  # in price_unit
    price_unit: Label  # "USc/lb"
    lot_unit: Label  # "bag of 69 kg"
    currency: Currency
    value_numerator: Annotated[int, Meta(ge=1, le=2**62)]
    value_denominator: Annotated[int, Meta(ge=1, le=2**62)]
    multiplier: Annotated[int, Meta(ge=1, le=limits.MULTIPLIER_MAX)] = 1  # of |price| x qty in the notional bound
    price_min: PriceTicks = 1
    price_max: PriceTicks = limits.PRICE_TICKS_MAX
    qty_max: QtyLots = limits.QTY_LOTS_MAX
    reference: PriceTicks | None = None
    rules: Rules = "harvest"  # call-auction rule set
    attributes: dict[str, str] = {}  # origin, process, grade, crop year...: shown, never decided upon
    source: Label = ""
    deposit: bool = False  # sells need lots that were deposited
    classes: bool = False  # inside one price the orders of co-ops come first
    # Collar: half of its width around the reference is the greater of the floor and so many bps of |reference|, rounded
    # up; 0 and 0: no collar.
    collar_floor: FloorTicks = 0
    collar_bps: Bps = 0
    # A call whose price lies outside its corridor (the collar, each time wider by so many bps of its half) is extended.
    extension_ns: ExtensionNs = 0
    extensions_max: Extensions = 0
    widen_bps: WidenBps = 0
    after_extensions: Outcome = "print"  # after the last one: trade at that price, or halt for the operator


class SetReference(Body, frozen=True):
    instrument: InstrumentId
    reference: PriceTicks | None


class SetAccount(Body, frozen=True):
    """What is None stays. Group and co-op class change only while the account has no open orders."""

    account: AccountId
    group: U4 | None = None  # accounts of one owner, for self-trade prevention; 0: none
    coop: bool | None = None
    frozen: bool | None = None  # may cancel, nothing else
    cancel: bool = False  # of one that is frozen: its open orders
    why: Label = ""


class SetLimits(Body, frozen=True):
    """What an account may have open in a currency; 0: no limit. Worth = |price| x lots x multiplier, per side."""

    account: AccountId
    currency: Currency
    buy_max: Annotated[int, Meta(ge=0, le=limits.NOTIONAL_MAX)] = 0
    sell_max: Annotated[int, Meta(ge=0, le=limits.NOTIONAL_MAX)] = 0
    orders_max: Annotated[int, Meta(ge=0, le=limits.ORDERS_MAX)] = 0


class Deposit(Body, frozen=True):
    """Lots brought in, or (negative) taken out, of an instrument that asks for deposit."""

    account: AccountId
    instrument: InstrumentId
    lots: Annotated[int, Meta(ge=-limits.SIDE_TOTAL_LOTS_MAX, le=limits.SIDE_TOTAL_LOTS_MAX)]
    why: Label = ""


class ChangeInstrument(Body, frozen=True):
    """What is None stays. Tick, multiplier, price range, currency, deposit and classes never change; the rules of a
    call (rule set, collar, extensions) not while one runs. A reference is taken away by SetReference."""

    instrument: InstrumentId
    name: Label | None = None
    attributes: dict[str, str] | None = None
    source: Label | None = None
    reference: PriceTicks | None = None
    qty_max: QtyLots | None = None
    rules: Rules | None = None
    collar_floor: FloorTicks | None = None
    collar_bps: Bps | None = None
    extension_ns: ExtensionNs | None = None
    extensions_max: Extensions | None = None
    widen_bps: WidenBps | None = None
    after_extensions: Outcome | None = None


class DelistInstrument(Body, frozen=True):
    """End a book that is closed or halted, with its orders, stock and calendar. Number and symbol never come back."""

    instrument: InstrumentId
    why: Label = ""


class SetPhase(Body, frozen=True):
    instrument: InstrumentId
    phase: Annotated[int, Meta(ge=0, le=6)]


class Uncross(Body, frozen=True):
    """Find the auction price, trade at it, move to `phase` (CONTINUOUS or CLOSED)."""

    instrument: InstrumentId
    phase: Annotated[int, Meta(ge=0, le=6)]
    force: bool = False  # whatever the price: never extended


class ScheduleEntry(Body, frozen=True):
    due_ns: TimeNs
    phase: Annotated[int, Meta(ge=0, le=6)]
    uncross: bool = False  # uncross, then move to phase
    day_end: bool = False  # nothing but the end of day orders; phase 0
    random_ns: Annotated[int, Meta(ge=0, le=limits.RANDOM_END_NS_MAX)] = 0  # uncross at a moment in [due, due + it)
    seed: Annotated[bytes, Meta(max_length=32)] = b""  # 32 bytes, secret until then: decide the moment


class Schedule(Body, frozen=True):
    """Calendar moves with absolute times. An entry is known by (instrument, version, due): a repeat does nothing."""

    instrument: InstrumentId
    version: U4
    entries: Annotated[tuple[ScheduleEntry, ...], Meta(min_length=1, max_length=limits.SCHEDULE_ENTRIES_MAX)]


class MassCancel(Body, frozen=True):
    """Cancel the open orders that fulfil all that is said. Own ones as CANCEL may: those in a phase without cancels
    stay."""

    account: Annotated[int, Meta(ge=0, le=limits.ACCOUNTS_MAX)] = 0  # 0: one's own; an operator's: any
    instrument: Annotated[int, Meta(ge=0, le=limits.INSTRUMENTS_MAX)] = 0  # 0: any
    side: Annotated[int, Meta(ge=0, le=1)] | None = None
    by_operator: bool = False  # of any account, in any phase; gateways let operators say so, nobody else


class CancelAfter(Body, frozen=True):
    """The account's dead-man switch: unless it says so again within `timeout_ns`, its open orders are cancelled as by
    MassCancel, once; also after an outage. 0: off."""

    timeout_ns: Annotated[int, Meta(ge=0, le=limits.CANCEL_AFTER_NS_MAX)]  # 0, or at least CANCEL_AFTER_NS_MIN


class BustTrade(Body, frozen=True):
    """Operator's: a trade is as if it had not been. It is named as its fill is, with the terms that hold now, which
    history has; where stock is kept, its lots go back."""

    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    index: U4
    instrument: InstrumentId
    price: PriceTicks
    qty: QtyLots
    buyer: AccountId
    seller: AccountId
    why: Label = ""


class CorrectTrade(Body, frozen=True):
    """Operator's: a trade holds at another price, or for fewer lots; else as BustTrade."""

    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    index: U4
    instrument: InstrumentId
    price: PriceTicks
    qty: QtyLots
    buyer: AccountId
    seller: AccountId
    new_price: PriceTicks
    new_qty: QtyLots
    why: Label = ""


BODIES: dict[CommandKind, type[Body]] = {
    CommandKind.TIME: Time,
    CommandKind.RESUME: Resume,
    CommandKind.SKIP: Skip,
    CommandKind.GENESIS: Genesis,
    CommandKind.GENERATION: Generation,
    CommandKind.KILL_SWITCH: KillSwitch,
    CommandKind.OPEN_ACCOUNT: OpenAccount,
    CommandKind.ADD_KEY: AddKey,
    CommandKind.REVOKE_KEY: RevokeKey,
    CommandKind.LIST_INSTRUMENT: ListInstrument,
    CommandKind.SET_REFERENCE: SetReference,
    CommandKind.SET_ACCOUNT: SetAccount,
    CommandKind.SET_LIMITS: SetLimits,
    CommandKind.DEPOSIT: Deposit,
    CommandKind.CHANGE_INSTRUMENT: ChangeInstrument,
    CommandKind.DELIST_INSTRUMENT: DelistInstrument,
    CommandKind.SET_PHASE: SetPhase,
    CommandKind.UNCROSS: Uncross,
    CommandKind.SCHEDULE: Schedule,
    CommandKind.MASS_CANCEL: MassCancel,
    CommandKind.CANCEL_AFTER: CancelAfter,
    CommandKind.BUST_TRADE: BustTrade,
    CommandKind.CORRECT_TRADE: CorrectTrade,
    CommandKind.BID: Bid,
    CommandKind.END_SALE: EndSale,
    CommandKind.PLAN_SALE: SaleTerms,
    CommandKind.REGISTER: Register,
    CommandKind.ADMIT: Admit,
    CommandKind.DECIDE_BID: DecideBid,
    CommandKind.OPEN_BIDS: OpenBids,
    CommandKind.PROPOSE: Propose,
    CommandKind.SETTLE: Settle,
    CommandKind.SPLIT: Split,
    CommandKind.DEFINE_SEASON: DefineSeason,
    CommandKind.DESCRIBE_LOT: DescribeLot,
    CommandKind.VOID_SALE: VoidSale,
}
_KIND_OF = {body: kind for kind, body in BODIES.items()}
_DECODERS = {kind: msgspec.msgpack.Decoder(body) for kind, body in BODIES.items()}
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def kind_of(body: Body) -> CommandKind:
    return _KIND_OF[type(body)]


def encode_body(body: Body) -> bytes:
    return _ENCODER.encode(body)


def decode_body(kind: int, raw: bytes) -> Body:
    """The struct of a cold command. Raises msgspec.DecodeError (ValidationError is one) or UnicodeDecodeError when
    the bytes are no such body; ValueError or KeyError for a kind without one."""
    return _DECODERS[CommandKind(kind)].decode(raw)
