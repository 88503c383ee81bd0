"""Bodies of cold commands: msgspec structs, msgpack arrays on disk, `decode_body(kind, bytes)`.

Every field is bounded by its type, so that a body which decodes is well formed; what the venue's state must say about
it (known account, legal move, open sale) is checked by the rule that applies it. Times are int64 ns of venue time.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from engine import limits
from engine.codes import CommandKind

U4 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
AccountId = Annotated[int, Meta(ge=1, le=limits.ACCOUNTS_MAX)]
InstrumentId = Annotated[int, Meta(ge=1, le=limits.INSTRUMENTS_MAX)]
PriceTicks = Annotated[int, Meta(ge=-limits.PRICE_TICKS_MAX, le=limits.PRICE_TICKS_MAX)]
QtyLots = Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)]
TimeNs = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Code = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9._-]{0,31}\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
DecimalText = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?\Z")]
Label = Annotated[str, Meta(max_length=256)]
Digest = Annotated[bytes, Meta(min_length=16, max_length=16)]
Rules = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}\Z")]
Bps = Annotated[int, Meta(ge=0, le=limits.COLLAR_BPS_MAX)]
FloorTicks = Annotated[int, Meta(ge=0, le=limits.PRICE_TICKS_MAX)]
ExtensionNs = Annotated[int, Meta(ge=0, le=limits.EXTENSION_NS_MAX)]  # below EXTENSION_NS_MIN: only where there is none
Extensions = Annotated[int, Meta(ge=0, le=limits.EXTENSIONS_MAX)]
WidenBps = Annotated[int, Meta(ge=0, le=limits.WIDEN_BPS_MAX)]
Outcome = Annotated[str, Meta(pattern=r"^(print|halt)\Z")]


class Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Array-like: the order of the fields is the format; a new field goes last, with a default."""


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


class AuctionLot(Body, frozen=True):
    seller: AccountId
    title: Label
    bags: QtyLots
    bag_grams: Annotated[int, Meta(ge=1_000, le=100_000)]
    attributes: dict[str, str] = {}  # origin, variety, score, ...: shown


class OpenSale(Body, frozen=True):
    """A Helmsman sale: all lots open together; the common clock starts when every lot has a bid.

    `increment` and `opening` are in ticks of `tick_size` per `price_unit`. A lot without a bid by
    `open_until_ns` passes in, and the clock starts for the rest.
    """

    sale: Annotated[int, Meta(ge=1, le=limits.SALES_MAX)]
    title: Label
    lots: Annotated[tuple[AuctionLot, ...], Meta(min_length=1, max_length=limits.SALE_LOTS_MAX)]
    opening: Annotated[int, Meta(ge=1, le=limits.PRICE_TICKS_MAX)]
    increment: Annotated[int, Meta(ge=1, le=limits.SALE_INCREMENTS_MAX)]
    clock_ns: Annotated[int, Meta(ge=1_000_000_000, le=24 * 3600 * 10**9)]
    open_until_ns: TimeNs
    tick_size: DecimalText
    price_unit: Label  # "USc/lb"
    currency: Currency
    value_numerator: Annotated[int, Meta(ge=1, le=2**62)]  # minor units of currency = ticks x grams x num / den
    value_denominator: Annotated[int, Meta(ge=1, le=2**62)]


class Bid(Body, frozen=True):
    """A proxy bid: the most that the row's account will pay. Only its owner ever sees it."""

    sale: Annotated[int, Meta(ge=1, le=limits.SALES_MAX)]
    lot: Annotated[int, Meta(ge=1, le=limits.SALE_LOTS_MAX)]
    maximum: PriceTicks


class EndSale(Body, frozen=True):
    """Operator's: end a sale now; leading bids stand."""

    sale: Annotated[int, Meta(ge=1, le=limits.SALES_MAX)]
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
    CommandKind.OPEN_SALE: OpenSale,
    CommandKind.BID: Bid,
    CommandKind.END_SALE: EndSale,
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
