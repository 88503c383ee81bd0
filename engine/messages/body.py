"""What every body of a cold command is made of: its base and the bounded types of its fields."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from engine import limits

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
AwardId = Annotated[int, Meta(ge=1, le=limits.AWARDS_MAX)]
SaleId = Annotated[int, Meta(ge=1, le=limits.SALES_MAX)]
LotNumber = Annotated[int, Meta(ge=1, le=limits.SALE_LOTS_MAX)]  # of an auction lot in its sale
PositiveTicks = Annotated[int, Meta(ge=1, le=limits.PRICE_TICKS_MAX)]


class Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Array-like: the order of the fields is the format; a new field goes last, with a default."""
