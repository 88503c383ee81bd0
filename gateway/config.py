"""Configuration: one TOML file, checked whole, becomes commands once. `load(path)` says what it means.

A file may list accounts, keys and instruments, name calendars (`calendars/NAME.toml` beside it), and describe a demo
season whose parties and coffee instruments follow from real lots. The result, `Config`, holds the bodies of the
commands themselves. Its digest goes into the log; a later edit changes nothing until `qhatu apply-config`.
"""

from __future__ import annotations

import re
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from engine import limits
from engine.codes import Phase, Role
from engine.domain.units import KG_PER, QUOTATION_PER_KG, UnitError, decimal_text, parse_decimal, price_to_ticks
from engine.domain.units import value_factor as exact_value_factor
from engine.messages.batch import Batch, cold, join
from engine.messages.bodies import (
    AccountId,
    AddKey,
    Body,
    Code,
    Currency,
    Genesis,
    Label,
    ListInstrument,
    Name,
    OpenAccount,
    SetPhase,
    Uncross,
)
from gateway.calendars import SECOND_NS, Calendar, CalendarError
from gateway.calendars import check as check_calendar
from gateway.config_digest import digest_of
from gateway.data.tables import monthly_price, quinoa_price
from gateway.demo.catalogue import COUNTRY_CODES, coffee_instruments, sale_lots
from gateway.demo.parties import registers
from gateway.demo.rules import CoffeeRule, Decimal, Month, Season, SignedDecimal
from gateway.tokens import TOKEN, token_hash

CURRENCY_OF = {"USc/lb": "USD", "USD/lb": "USD", "USD/t": "USD", "USD/kg": "USD", "PEN/kg": "PEN"}
MIB = 1024 * 1024
QUINOA_SERIES = "quinoa_farmgate_pen_kg"
BATCH_COMMANDS = 500
BATCH_BYTES = limits.RECORD_BYTES_MAX // 2
assert set(CURRENCY_OF) == set(QUOTATION_PER_KG)

Opening = Annotated[str, Meta(pattern="^(closed|pre_open|call|continuous)$")]
_T = TypeVar("_T")


class ConfigError(ValueError):
    """A file that cannot be used. Prints as `file: key: what is wrong`."""

    def __init__(self, file: Path | str, key: str, message: str) -> None:
        self.file, self.key, self.message = str(file), key, message
        super().__init__(f"{file}: {key}: {message}" if key else f"{file}: {message}")


# What a file says.


class Server(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where `qhatu serve` listens and keeps its data, unless its options say otherwise. No part of the market."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    data: str = "var/qhatu"
    segment_mib: Annotated[int, Meta(ge=limits.SEGMENT_BYTES_MIN // MIB, le=limits.SEGMENT_BYTES_MAX // MIB)] = (
        limits.SEGMENT_BYTES // MIB
    )
    storage_low_mib: Annotated[int, Meta(ge=1)] = limits.STORAGE_LOW_BYTES // MIB  # of free space
    snapshot_commands: Annotated[int, Meta(ge=1)] = limits.SNAPSHOT_EVERY_COMMANDS  # whichever comes first
    snapshot_seconds: Annotated[float, Meta(ge=0.1)] = limits.SNAPSHOT_EVERY_SECONDS


class AccountTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    account: AccountId
    label: Label
    kind: Annotated[str, Meta(pattern=r"^(coop|importer|operator|analyst|other)$")] = "other"


class KeyTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    account: AccountId
    roles: tuple[Annotated[str, Meta(pattern="^(read|trade|operate|admin)$")], ...]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None  # of the bearer token
    token: str | None = None  # the token itself: tests, benchmarks and demonstrations


class ReferenceTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A price out of gateway/data: a World Bank series in a month, or the farm price of quinoa over a year."""

    series: str
    month: Month
    plus: SignedDecimal = "0"


class InstrumentTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    symbol: Code
    name: Label
    commodity: Label
    tick_size: Decimal
    price_unit: str
    lot_kg: Decimal
    lot_unit: Label
    currency: Currency
    price_min: SignedDecimal | None = None
    price_max: Decimal | None = None
    qty_max: Annotated[int, Meta(ge=1, le=limits.QTY_LOTS_MAX)] = 1_000_000
    reference: SignedDecimal | ReferenceTable | None = None
    rules: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}$")] = "harvest"
    calendar: str = ""
    opening: Opening = "closed"
    attributes: dict[str, str] = {}
    source: Label = ""
    multiplier: Annotated[int, Meta(ge=1, le=limits.MULTIPLIER_MAX)] = 1  # of |price in ticks| x lots, in limits
    deposit: bool = False  # sells need deposited lots
    classes: bool = False  # inside one price the orders of co-ops come first
    collar_floor: Decimal | None = None  # half of the collar is the greater of this and so many bps of the reference
    collar_bps: Annotated[int, Meta(ge=0, le=limits.COLLAR_BPS_MAX)] = 0
    extension_seconds: Annotated[int, Meta(ge=0, le=limits.EXTENSION_NS_MAX // SECOND_NS)] = 0
    extensions_max: Annotated[int, Meta(ge=0, le=limits.EXTENSIONS_MAX)] = 0
    widen_bps: Annotated[int, Meta(ge=0, le=limits.WIDEN_BPS_MAX)] = 0
    after_extensions: Annotated[str, Meta(pattern="^(print|halt)$")] = "print"


class Tables(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as a whole; its lists are read entry by entry so that an error names the entry."""

    venue: Name
    server: dict[str, Any] = {}
    accounts: list[dict[str, Any]] = []
    keys: list[dict[str, Any]] = []
    instruments: list[dict[str, Any]] = []
    coffee: dict[str, Any] | None = None
    season: dict[str, Any] | None = None


# What it means.


class Listing(Struct, frozen=True):
    """An instrument as the log will have it, with what the gateway adds: its calendar's name and how it opens."""

    body: ListInstrument
    calendar: str
    opening: str


class Market(Struct, frozen=True):
    """All that decides: what the digest covers and what becomes commands."""

    venue: str
    accounts: tuple[OpenAccount, ...]
    keys: tuple[AddKey, ...]
    instruments: tuple[Listing, ...]
    calendars: dict[str, Calendar]


class Config(Struct, frozen=True):
    market: Market
    server: Server
    season: Season | None = None
    coffee: CoffeeRule | None = None

    @property
    def venue(self) -> str:
        return self.market.venue

    @property
    def accounts(self) -> tuple[OpenAccount, ...]:
        return self.market.accounts

    @property
    def keys(self) -> tuple[AddKey, ...]:
        return self.market.keys

    @property
    def instruments(self) -> tuple[Listing, ...]:
        return self.market.instruments

    @property
    def calendars(self) -> dict[str, Calendar]:
        return self.market.calendars

    @property
    def digest(self) -> bytes:
        """16 bytes over the market's meaning: comments, order of keys and the server's address do not count."""
        return digest_of(self.market)


def default_path(name: str) -> Path:
    """configs/NAME.toml: in the source tree, or as installed with the package."""
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "configs", here / "configs"):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    raise ConfigError(f"{name}.toml", "", "no configuration of that name is installed")


_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")
_AT = re.compile(r" - at `\$?(?P<path>[^`]*)`$")


def _convert(raw: Any, kind: type[_T], file: Path, key: str) -> _T:
    """`raw` as a `kind`, strictly. Raises ConfigError with the key of the field that does not fit."""
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        message = str(error)
        at = _AT.search(message)
        path = at["path"].lstrip(".") if at else ""
        message = _AT.sub("", message)
        if unknown := _UNKNOWN_FIELD.search(message):
            path, message = f"{path}.{unknown['name']}".lstrip("."), "unknown key"
        if "got `float`" in message and "`str`" in message:
            message += " (write a decimal in quotes, so that it stays exact)"
        joined = path if not key else f"{key}{path}" if path.startswith("[") else f"{key}.{path}".rstrip(".")
        raise ConfigError(file, joined, message) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(file, "", error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(file, "", "not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise ConfigError(file, "", f"not TOML: {error}") from None


def load(path: Path | str, base: Config | None = None, highest: int = 0) -> Config:
    """Read and check a configuration with its calendars. Raises ConfigError naming file and key.

    base     the configuration in force, if any: an instrument keeps the number that it has there
    highest  number of an instrument that the venue has: new ones come after it
    """
    file = Path(path)
    tables = _convert(_read(file), Tables, file, "")
    season = None if tables.season is None else _convert(tables.season, Season, file, "season")
    coffee = None if tables.coffee is None else _convert(tables.coffee, CoffeeRule, file, "coffee")
    _check_season(season, coffee, file)
    listed = list(enumerate(tables.instruments))
    raw = [(f"instruments[{n}]", table) for n, table in listed]
    if coffee is not None:
        try:
            made = coffee_instruments(coffee, season.sale if season else None)
        except KeyError as error:
            raise ConfigError(file, "coffee", f"gateway/data has no {error.args[0]}") from None
        raw = [(f"coffee.{table['symbol']}", table) for table in made] + raw  # the page opens on the first
    accounts = [_convert(t, AccountTable, file, f"accounts[{n}]") for n, t in enumerate(tables.accounts)]
    opened = [OpenAccount(a.account, a.label, a.kind) for a in accounts]
    keys = [_key(t, file, f"keys[{n}]") for n, t in enumerate(tables.keys)]
    if season is not None:
        made_accounts, made_keys = registers(tables.venue, season, coffee)
        opened, keys = opened + made_accounts, keys + made_keys
    instruments = _number([listing_from(table, file, key) for key, table in raw], base, file, highest)
    calendars = {
        name: _calendar(name, file)
        for name in sorted({listing.calendar for listing in instruments if listing.calendar})
    }
    _check(file, opened, keys, instruments, season)
    server = _convert(tables.server, Server, file, "server")
    least = limits.STORAGE_LOW_SEGMENTS_MIN * server.segment_mib
    if server.storage_low_mib < least:
        raise ConfigError(file, "server.storage_low_mib", f"must be at least {least}, room for three segments")
    market = Market(tables.venue, tuple(opened), tuple(keys), tuple(instruments), calendars)
    return Config(market, server, season, coffee)


def _check_season(season: Season | None, coffee: CoffeeRule | None, file: Path) -> None:
    """What the demo's tables must say so that instruments, parties and sales can be made from them."""
    if coffee is not None:
        if _decimal(coffee.tick_size, file, "coffee.tick_size") <= 0:
            raise ConfigError(file, "coffee.tick_size", "must be more than zero")
        labels = [grade.label for grade in coffee.grades]
        if not labels or len(set(labels)) != len(labels):
            raise ConfigError(file, "coffee.grades", "needs grades, each label once")
    if season is None:
        return
    for index, harvest in enumerate(season.harvests):
        if harvest.origin not in COUNTRY_CODES:
            raise ConfigError(file, f"season.harvests[{index}].origin", f"{harvest.origin} is no country known here")
    rule, key = season.sale, "season.sale"
    if rule.price_unit not in QUOTATION_PER_KG:
        raise ConfigError(file, f"{key}.price_unit", f"must be one of {', '.join(sorted(QUOTATION_PER_KG))}")
    if rule.currency != CURRENCY_OF[rule.price_unit]:
        raise ConfigError(file, f"{key}.currency", f"{rule.price_unit} is {CURRENCY_OF[rule.price_unit]}")
    tick = _decimal(rule.tick_size, file, f"{key}.tick_size")
    if tick <= 0:
        raise ConfigError(file, f"{key}.tick_size", "must be more than zero")
    for name in ("opening", "increment"):
        if _ticks(getattr(rule, name), tick, file, f"{key}.{name}") < 1:
            raise ConfigError(file, f"{key}.{name}", "must be at least one tick")
    if len(sale_lots(rule)) < rule.lots * rule.sales:
        raise ConfigError(file, f"{key}.sales", f"only {len(sale_lots(rule))} lots are of that size")


def _decimal(text: str, file: Path, key: str) -> Fraction:
    """An exact decimal. Raises ConfigError."""
    try:
        return parse_decimal(text)
    except UnitError as error:
        raise ConfigError(file, key, str(error)) from None


def _key(raw: dict[str, Any], file: Path, key: str) -> AddKey:
    table = _convert(raw, KeyTable, file, key)
    if (table.sha256 is None) == (table.token is None):
        raise ConfigError(file, key, "give either `sha256` (of the token) or `token`")
    if table.token is not None and not TOKEN.fullmatch(table.token):
        raise ConfigError(file, f"{key}.token", "must be qk_ and 22 to 64 letters or digits")
    if not table.roles:
        raise ConfigError(file, f"{key}.roles", "a key needs at least one role")
    hashed = bytes.fromhex(table.sha256) if table.sha256 else token_hash(table.token or "")
    roles = 0
    for role in table.roles:
        roles |= Role[role.upper()]
    return AddKey(hashed, table.account, roles)


def _reference(table: InstrumentTable, tick: Fraction, file: Path, key: str) -> int | None:
    """Reference in ticks: as written, or from a series and rounded to the nearest tick."""
    rule = table.reference
    if rule is None:
        return None
    if isinstance(rule, str):
        return _ticks(rule, tick, file, f"{key}.reference")
    try:
        price = quinoa_price(rule.month) if rule.series == QUINOA_SERIES else monthly_price(rule.series, rule.month)
    except KeyError as error:
        raise ConfigError(file, f"{key}.reference", f"gateway/data has no {error.args[0]}") from None
    return round((price + Fraction(rule.plus)) / tick)


def _ticks(text: str, tick: Fraction, file: Path, key: str) -> int:
    try:
        return price_to_ticks(text, tick)
    except UnitError as error:
        raise ConfigError(file, key, str(error)) from None


def listing_from(raw: dict[str, Any], file: Path, key: str) -> Listing:
    """One instrument, its number still 1. Prices to ticks, weight and quotation unit to the exact value factor."""
    table = _convert(raw, InstrumentTable, file, key)
    if table.price_unit not in QUOTATION_PER_KG:
        raise ConfigError(file, f"{key}.price_unit", f"must be one of {', '.join(sorted(QUOTATION_PER_KG))}")
    if table.currency != CURRENCY_OF[table.price_unit]:
        raise ConfigError(file, f"{key}.currency", f"{table.price_unit} is {CURRENCY_OF[table.price_unit]}")
    tick = _decimal(table.tick_size, file, f"{key}.tick_size")
    lot_kg = _decimal(table.lot_kg, file, f"{key}.lot_kg")
    if tick <= 0:
        raise ConfigError(file, f"{key}.tick_size", "must be more than zero")
    if not KG_PER["g"] <= lot_kg <= 100 * KG_PER["t"]:
        raise ConfigError(file, f"{key}.lot_kg", "must be from 0.001 to 100000")
    factor = exact_value_factor(tick, QUOTATION_PER_KG[table.price_unit], lot_kg)
    if factor.numerator > 2**62 or factor.denominator > 2**62:
        raise ConfigError(file, f"{key}.tick_size", "value of a tick has no exact factor within 62 bits")
    price_min = 1 if table.price_min is None else _ticks(table.price_min, tick, file, f"{key}.price_min")
    price_max = (
        limits.PRICE_TICKS_MAX if table.price_max is None else _ticks(table.price_max, tick, file, f"{key}.price_max")
    )
    for name, ticks in (("price_min", price_min), ("price_max", price_max)):
        if abs(ticks) > limits.PRICE_TICKS_MAX:
            raise ConfigError(file, f"{key}.{name}", f"is more than {limits.PRICE_TICKS_MAX} ticks")
    if price_min > price_max:
        raise ConfigError(file, f"{key}.price_min", "is above price_max")
    if table.extensions_max and not table.extension_seconds:
        raise ConfigError(file, f"{key}.extension_seconds", "an extended call needs a length")
    reference = _reference(table, tick, file, key)
    if reference is not None and not price_min <= reference <= price_max:
        raise ConfigError(file, f"{key}.reference", "lies outside price_min and price_max")
    body = ListInstrument(
        instrument=1,
        symbol=table.symbol,
        name=table.name,
        commodity=table.commodity,
        tick_size=table.tick_size,
        price_unit=table.price_unit,
        lot_unit=table.lot_unit,
        currency=table.currency,
        value_numerator=factor.numerator,
        value_denominator=factor.denominator,
        price_min=price_min,
        price_max=price_max,
        qty_max=table.qty_max,
        reference=reference,
        rules=table.rules,
        attributes={**table.attributes, "lot_kg": decimal_text(lot_kg)},
        source=table.source,
        multiplier=table.multiplier,
        deposit=table.deposit,
        classes=table.classes,
        collar_floor=0 if table.collar_floor is None else _ticks(table.collar_floor, tick, file, f"{key}.collar_floor"),
        collar_bps=table.collar_bps,
        extension_ns=table.extension_seconds * SECOND_NS,
        extensions_max=table.extensions_max,
        widen_bps=table.widen_bps,
        after_extensions=table.after_extensions,
    )
    return Listing(body, table.calendar, table.opening)


def _number(listings: list[Listing], base: Config | None, file: Path, highest: int) -> list[Listing]:
    """Instruments with their numbers: those of `base` by symbol, new ones after the highest, in order."""
    taken = {listing.body.symbol: listing.body.instrument for listing in base.instruments} if base else {}
    next_number = max(highest, *taken.values(), 0) + 1
    numbered, seen = [], set()
    for listing in listings:
        symbol = listing.body.symbol
        if symbol in seen:
            raise ConfigError(file, "instruments", f"symbol {symbol} occurs twice")
        seen.add(symbol)
        number = taken.get(symbol)
        if number is None:
            number, next_number = next_number, next_number + 1
        body = msgspec.structs.replace(listing.body, instrument=number)
        numbered.append(msgspec.structs.replace(listing, body=body))
    return numbered


def _calendar(name: str, config: Path) -> Calendar:
    file = config.parent / "calendars" / f"{name}.toml"
    if not re.fullmatch(r"[a-z0-9-]{1,64}", name) or not file.is_file():
        raise ConfigError(config, "calendar", f"no file calendars/{name}.toml beside the configuration")
    calendar = _convert(_read(file), Calendar, file, "")
    try:
        check_calendar(calendar)
    except CalendarError as error:
        raise ConfigError(file, error.key, str(error)) from None
    return calendar


def _check(
    file: Path, accounts: list[OpenAccount], keys: list[AddKey], listings: list[Listing], season: Season | None
) -> None:
    """What concerns several tables at once."""
    numbers = [account.account for account in accounts]
    if len(set(numbers)) != len(numbers):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise ConfigError(file, "accounts", f"account {twice} occurs twice")
    for index, key in enumerate(keys):
        if key.account not in numbers:
            raise ConfigError(file, f"keys[{index}].account", f"account {key.account} is not listed")
    if len({key.key_hash for key in keys}) != len(keys):
        raise ConfigError(file, "keys", "a key occurs twice")
    symbols = {listing.body.symbol for listing in listings}
    for index, harvest in enumerate(season.harvests if season else ()):
        if harvest.symbol not in symbols:
            raise ConfigError(file, f"season.harvests[{index}].symbol", f"{harvest.symbol} is not listed")
    for listing in listings:
        if listing.calendar and listing.opening != "closed":
            raise ConfigError(file, "instruments", f"{listing.body.symbol}: a calendar opens it: leave `opening` out")


# What becomes of it.


def genesis(config: Config) -> list[Batch]:
    """The commands of a new venue, in order, in batches that each fit a record: accounts, keys, instruments, opening
    phases, and GENESIS last. A venue whose `config_digest` is still empty was interrupted: all of it is sent again."""
    commands: list[Body] = [*config.accounts, *config.keys, *(listing.body for listing in config.instruments)]
    for listing in config.instruments:
        commands += opening(listing)
    return batches([*commands, Genesis(config.digest, config.venue)])


def opening(listing: Listing) -> list[Body]:
    """Moves of a new instrument out of `closed`. Continuous trading is entered by the uncross of an empty call."""
    instrument = listing.body.instrument
    if listing.opening == "closed":
        return []
    if listing.opening == "continuous":
        return [SetPhase(instrument, int(Phase.CALL)), Uncross(instrument, int(Phase.CONTINUOUS))]
    return [SetPhase(instrument, int(Phase[listing.opening.upper()]))]


def batches(commands: list[Body]) -> list[Batch]:
    """Cold commands as batches, each at most BATCH_COMMANDS commands and BATCH_BYTES bytes."""
    made: list[Batch] = []
    pending: list[Batch] = []
    nbytes = 0
    for body in commands:
        one = cold(body)
        if pending and (len(pending) == BATCH_COMMANDS or nbytes + one.nbytes > BATCH_BYTES):
            made.append(join(pending))
            pending, nbytes = [], 0
        pending.append(one)
        nbytes += one.nbytes
    if pending:
        made.append(join(pending))
    return made
