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

    config_digest: Annotated[bytes, Meta(min_length=16, max_length=16)]
    venue: Name


class Generation(Body, frozen=True):
    """The first record of a generation of the rules: the state at the end of the one before became this one."""

    before: U4
    after: U4
    hash_before: Annotated[bytes, Meta(min_length=16, max_length=16)]  # of the state, as the older generation has it
    hash_after: Annotated[bytes, Meta(min_length=16, max_length=16)]
    release: Label = ""  # that opened it


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
    rules: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}\Z")] = "harvest"  # call-auction rule set
    attributes: dict[str, str] = {}  # origin, process, grade, crop year...: shown, never decided upon
    source: Label = ""


class SetReference(Body, frozen=True):
    instrument: InstrumentId
    reference: PriceTicks | None


class SetPhase(Body, frozen=True):
    instrument: InstrumentId
    phase: Annotated[int, Meta(ge=0, le=6)]


class Uncross(Body, frozen=True):
    """Find the auction price, trade at it, move to `phase` (CONTINUOUS or CLOSED)."""

    instrument: InstrumentId
    phase: Annotated[int, Meta(ge=0, le=6)]


class ScheduleEntry(Body, frozen=True):
    due_ns: TimeNs
    phase: Annotated[int, Meta(ge=0, le=6)]
    uncross: bool = False  # uncross, then move to phase


class Schedule(Body, frozen=True):
    """Calendar moves with absolute times. An entry is known by (instrument, version, due): a repeat does nothing."""

    instrument: InstrumentId
    version: U4
    entries: Annotated[tuple[ScheduleEntry, ...], Meta(min_length=1, max_length=limits.SCHEDULE_ENTRIES_MAX)]


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
    CommandKind.OPEN_ACCOUNT: OpenAccount,
    CommandKind.ADD_KEY: AddKey,
    CommandKind.REVOKE_KEY: RevokeKey,
    CommandKind.LIST_INSTRUMENT: ListInstrument,
    CommandKind.SET_REFERENCE: SetReference,
    CommandKind.SET_PHASE: SetPhase,
    CommandKind.UNCROSS: Uncross,
    CommandKind.SCHEDULE: Schedule,
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
