"""The configuration in force: kept beside the log under the digest that the log names.

So an edited file is noticed, and changes nothing.

    <data>/config/<digest>.json
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from engine.messages.bodies import (
    AddKey,
    Body,
    ChangeInstrument,
    Genesis,
    ListInstrument,
    OpenAccount,
    RevokeKey,
    SetReference,
)
from gateway.config import Config, ConfigError, Listing, opening

FOLDER = "config"
CHANGEABLE = tuple(name for name in ChangeInstrument.__struct_fields__ if name not in ("instrument", "reference"))


def kept_path(data: Path, digest: bytes) -> Path:
    return data / FOLDER / f"{digest.hex()}.json"


def keep(config: Config, data: Path) -> Path:
    """Store a configuration under its digest, durably, before the log names that digest."""
    path = kept_path(data, config.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(config, order="deterministic"), indent=1))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def kept(data: Path, digest: bytes) -> Config | None:
    """The stored configuration of that digest; None when it is missing or was altered."""
    try:
        config = msgspec.json.decode(kept_path(data, digest).read_bytes(), type=Config)
    except (OSError, msgspec.DecodeError):
        return None
    return config if config.digest == digest else None


def in_force(config: Config, data: Path, digest: bytes) -> tuple[Config, str | None]:
    """The configuration that the log names, and a warning when the file given says something else.

    Server settings and demo settings, which decide nothing, are always the file's. Raises ConfigError when the log's
    configuration is neither the file nor stored.
    """
    if config.digest == digest:
        if kept(data, digest) is None:
            keep(config, data)
        return config, None
    stored = kept(data, digest)
    if stored is None:
        raise ConfigError(kept_path(data, digest), "", "the configuration that the log runs on is missing or altered")
    merged = msgspec.structs.replace(config, market=stored.market)
    return merged, (
        f"configuration differs from the one in force ({config.digest.hex()[:8]} is not {digest.hex()[:8]}): the edits "
        "change nothing until the venue is stopped and `qhatu apply-config` is run"
    )


class Change(msgspec.Struct, frozen=True):
    """One difference, as a command (None: it needs none, the gateway heeds it) and in words."""

    body: Body | None
    words: str


def changes(old: Config, new: Config, file: Path | str) -> list[Change]:
    """What turns `old` into `new`, in the order of the commands, GENESIS with the new digest last.

    Raises ConfigError for what no command can change: a venue's name, an account, an instrument's terms, or a removal.
    """
    if old.digest == new.digest:
        return []
    if new.venue != old.venue:
        raise ConfigError(file, "venue", f"the venue's name is {old.venue} and stays so")
    found = [*_accounts(old, new, file), *_keys(old, new, file), *_instruments(old, new, file)]
    for name in sorted(old.calendars.keys() | new.calendars.keys()):
        found += _calendar(name, old, new, file)
    found.append(Change(Genesis(new.digest, new.venue), f"configuration {new.digest.hex()[:8]} is in force"))
    return found


def _accounts(old: Config, new: Config, file: Path | str) -> list[Change]:
    before = {account.account: account for account in old.accounts}
    after = {account.account: account for account in new.accounts}
    for number, account in before.items():
        if after.get(number) != account:
            raise ConfigError(file, "accounts", f"account {number} cannot be changed or removed")
    added: list[OpenAccount] = [account for number, account in after.items() if number not in before]
    return [Change(account, f"account {account.account} is opened ({account.label})") for account in added]


def _keys(old: Config, new: Config, file: Path | str) -> list[Change]:
    before = {key.key_hash: key for key in old.keys}
    after = {key.key_hash: key for key in new.keys}
    found = []
    for hashed, key in before.items():
        short = hashed.hex()[:8]
        if hashed not in after:
            found.append(Change(RevokeKey(hashed), f"key {short} of account {key.account} is revoked"))
        elif after[hashed] != key:
            raise ConfigError(file, "keys", f"key {short} cannot change its rights: make a new one and remove this")
    added: list[AddKey] = [key for hashed, key in after.items() if hashed not in before]
    return found + [Change(k, f"key {k.key_hash.hex()[:8]} of account {k.account} is added") for k in added]


def _instruments(old: Config, new: Config, file: Path | str) -> list[Change]:
    before = {listing.body.symbol: listing for listing in old.instruments}
    after = {listing.body.symbol: listing for listing in new.instruments}
    found = []
    for symbol, listing in before.items():
        if symbol not in after:
            raise ConfigError(
                file, "instruments", f"{symbol} cannot be removed; leave out its calendar to keep it shut"
            )
        found += _instrument(listing.body, after[symbol].body, file)
        found += _other_calendar(listing, after[symbol], old, new, file)
    for symbol, listing in after.items():
        if symbol not in before:
            found.append(Change(listing.body, f"{symbol} is listed as instrument {listing.body.instrument}"))
            found += [Change(body, f"{symbol} opens: {listing.opening}") for body in opening(listing)]
    return found


def _other_calendar(before: Listing, after: Listing, old: Config, new: Config, file: Path | str) -> list[Change]:
    """An instrument keeps the highest calendar version that it has followed, whatever the calendar's name."""
    if before.calendar == after.calendar:
        return []
    symbol = before.body.symbol
    if before.calendar and after.calendar:
        followed = old.calendars[before.calendar].version
        if new.calendars[after.calendar].version <= followed:
            key = f"calendars.{after.calendar}.version"
            raise ConfigError(file, key, f"{symbol} has followed version {followed}: a higher one is needed")
    return [Change(None, f"{symbol} follows {'calendar ' + after.calendar if after.calendar else 'no calendar'}")]


def _instrument(before: ListInstrument, after: ListInstrument, file: Path | str) -> list[Change]:
    other = {name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)}
    if fixed := other - set(CHANGEABLE) - {"reference"}:
        key = f"instruments.{before.symbol}.{min(fixed)}"
        raise ConfigError(file, key, "cannot be changed once it is listed")
    found = []
    if "reference" in other:
        found = [Change(SetReference(before.instrument, after.reference), f"{before.symbol}: reference {_of(after)}")]
    if said := {name: getattr(after, name) for name in CHANGEABLE if name in other}:
        words = f"{before.symbol}: other {', '.join(said)}"
        found.append(Change(ChangeInstrument(before.instrument, **said), words))
    return found


def _of(body: ListInstrument) -> Any:
    return "none" if body.reference is None else f"{body.reference} ticks"


def _calendar(name: str, old: Config, new: Config, file: Path | str) -> list[Change]:
    before, after = old.calendars.get(name), new.calendars.get(name)
    if before == after or before is None or after is None:
        return []
    if after.version <= before.version:
        raise ConfigError(
            file, f"calendars.{name}.version", f"a changed calendar needs a version above {before.version}"
        )
    return [Change(None, f"calendar {name} is followed in version {after.version}")]
