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


def _shown(part: str, extra: Fields) -> np.ndarray:
    """bool[256, fields]: may this part of the audience see that field of that kind? Unknown kinds: nothing."""
    shown = np.zeros((256, len(_FIELDS)), bool)
    for kind, audience in AUDIENCE.items():
        seen: Fields = getattr(audience, part)
        if seen:
            shown[kind] = [name in seen or name in extra for name in _FIELDS]
    return shown


def _bits(shown: np.ndarray) -> np.ndarray:
    """uint64[256, 8]: all ones over the bytes of the fields that are shown, so that a row is masked by one `and`."""
    widths = [EVENT[name].itemsize for name in _FIELDS]
    return np.where(np.repeat(shown, widths, axis=1), 0xFF, 0).astype(np.uint8).view(np.uint64)


_PUBLIC = _shown("public", frozenset())
_ACCOUNT = _shown("account", NAME_FIELDS)
_COUNTER = _shown("counter", NAME_FIELDS)
_OPERATOR = _shown("operator", NAME_FIELDS)
_PUBLIC_BITS, _ACCOUNT_BITS, _COUNTER_BITS, _OPERATOR_BITS = map(_bits, (_PUBLIC, _ACCOUNT, _COUNTER, _OPERATOR))


def public_view(events: np.ndarray) -> np.ndarray:
    """EVENT[k] of EVENT[n] (k <= n): what a reader of the public feeds sees."""
    return _masked(events, _PUBLIC_BITS[events["kind"]])


def operator_view(events: np.ndarray) -> np.ndarray:
    """EVENT[k] of EVENT[n]: what the operator sees. A bid's maximum is not in it."""
    return _masked(events, _OPERATOR_BITS[events["kind"]])


def account_view(events: np.ndarray, account: int) -> np.ndarray:
    """EVENT[k] of EVENT[n]: the events that this account is a party of, as that party sees them.

    Account 0 is the venue itself and never a reader.
    """
    assert account > 0, "a party is an account"
    events = events[(events["account"] == account) | (events["counter_account"] == account)]
    kind = events["kind"]
    own = np.where((events["account"] == account)[:, None], _ACCOUNT_BITS[kind], 0)
    counter = np.where((events["counter_account"] == account)[:, None], _COUNTER_BITS[kind], 0)
    return _masked(events, own | counter)


def view(event: np.void, reader: Reader) -> dict[str, int] | None:
    """One event as this reader sees it, hidden fields left out; None when it sees nothing. The public part is
    everyone's; a party has its own part beside it, an operator the operator's."""
    kind = int(event["kind"])
    seen = _PUBLIC[kind].copy()
    if reader.account and event["account"] == reader.account:
        seen |= _ACCOUNT[kind]
    if reader.account and event["counter_account"] == reader.account:
        seen |= _COUNTER[kind]
    if reader.operator:
        seen |= _OPERATOR[kind]
    if not seen.any():
        return None
    return {name: int(event[name]) for name, shown in zip(_FIELDS, seen, strict=True) if shown}


def parties_of(event: np.void) -> set[int]:
    """Accounts that see an own part of an event."""
    audience = AUDIENCE[EventKind(int(event["kind"]))]
    named = {int(event["account"])} if audience.account else set()
    return (named | ({int(event["counter_account"])} if audience.counter else set())) - {0}


def _masked(events: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The rows with anything to see, hidden fields zeroed. A new array: the events themselves are never touched."""
    keep = bits.any(axis=1)
    words = np.ascontiguousarray(events).view(np.uint64).reshape(-1, bits.shape[1])
    return (words[keep] & bits[keep]).reshape(-1).view(EVENT)
