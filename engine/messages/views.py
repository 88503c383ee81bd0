"""Events as their readers may see them: the audience table applied, one event or a whole array at a time.

`public_view`, `account_view` and `operator_view` keep the rows that the reader sees anything of, with every hidden
field set to zero. `view` gives one event as a dict without its hidden fields. An event's name (`command`, `index`) is
shown to parties and operators, never in public: public channels count for themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.codes import EventKind
from engine.messages.audience import AUDIENCE, Fields
from engine.messages.rows import EVENT

NAME_FIELDS: Fields = frozenset({"command", "index"})
_FIELDS = EVENT.names or ()


class Reader(NamedTuple):
    """Who looks: anyone, an account (0: none), an operator."""

    account: int = 0
    operator: bool = False


PUBLIC = Reader()


def _masks(part: str, extra: Fields) -> np.ndarray:
    """bool[256, fields]: may this part of the audience see that field of that kind? Unknown kinds: nothing."""
    masks = np.zeros((256, len(_FIELDS)), bool)
    for kind, audience in AUDIENCE.items():
        seen: Fields = getattr(audience, part)
        if seen:
            masks[kind] = [name in seen or name in extra for name in _FIELDS]
    return masks


_PUBLIC = _masks("public", frozenset())
_ACCOUNT = _masks("account", NAME_FIELDS)
_COUNTER = _masks("counter", NAME_FIELDS)
_OPERATOR = _masks("operator", NAME_FIELDS)
_NOTHING = np.zeros(len(_FIELDS), bool)


def public_view(events: np.ndarray) -> np.ndarray:
    """EVENT[k] of EVENT[n] (k <= n): what a reader of the public feeds sees."""
    return _masked(events, _PUBLIC[events["kind"]])


def operator_view(events: np.ndarray) -> np.ndarray:
    """EVENT[k] of EVENT[n]: what the operator sees. A bid's maximum is not in it."""
    return _masked(events, _OPERATOR[events["kind"]])


def account_view(events: np.ndarray, account: int) -> np.ndarray:
    """EVENT[k] of EVENT[n]: the events that this account is a party of, as that party sees them."""
    return _masked(events, _party_mask(events, account))


def visible(events: np.ndarray, reader: Reader) -> np.ndarray:
    """bool[n, fields]: all that this reader may see: the public part, an own part, the operator's part."""
    seen = _PUBLIC[events["kind"]]
    if reader.account:
        seen = seen | _party_mask(events, reader.account)
    if reader.operator:
        seen = seen | _OPERATOR[events["kind"]]
    return seen


def view(event: np.void, reader: Reader) -> dict[str, int] | None:
    """One event as this reader sees it, hidden fields left out; None when it sees nothing."""
    seen = visible(np.array([event], EVENT), reader)[0]
    if not seen.any():
        return None
    return {name: int(event[name]) for name, shown in zip(_FIELDS, seen, strict=True) if shown}


def parties_of(event: np.void) -> set[int]:
    """Accounts that see an own part of an event."""
    audience = AUDIENCE[EventKind(int(event["kind"]))]
    named = {int(event["account"])} if audience.account else set()
    return (named | ({int(event["counter_account"])} if audience.counter else set())) - {0}


def _party_mask(events: np.ndarray, account: int) -> np.ndarray:
    """bool[n, fields] of an account's own parts. Account 0 is the venue and never a reader."""
    assert account > 0, "a party is an account"
    kind = events["kind"]
    own = np.where((events["account"] == account)[:, None], _ACCOUNT[kind], _NOTHING)
    counter = np.where((events["counter_account"] == account)[:, None], _COUNTER[kind], _NOTHING)
    return own | counter


def _masked(events: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The rows with anything to see, hidden fields zeroed. A new array: the events themselves are never touched."""
    keep = seen.any(axis=1)
    shown, seen = np.zeros(int(keep.sum()), EVENT), seen[keep]
    for column, name in enumerate(_FIELDS):
        shown[name] = np.where(seen[:, column], events[name][keep], 0)
    return shown
