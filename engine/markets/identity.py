"""Client ids of cold commands: the same text id is answered once, however often it is sent.

The rule is that of orders (DESIGN section 2): same id and same body, the first answer again; other body, a refusal.
An id is remembered CLIENT_ID_MEMORY_NS from its first answer, refusals included; cold commands end when they are
answered. Only text forms are taken: numbers of a stream belong to hot rows.
"""

from __future__ import annotations

from hashlib import blake2b

from engine import limits
from engine.codes import EventKind, Reason, RefForm
from engine.markets.turn import Turn
from engine.state.venue import RefKey, Remembered

TEXT_FORMS = frozenset({RefForm.TEXT, RefForm.DIGEST})


def body_hash(kind: int, body: bytes) -> int:
    """u64 of what a command asks for: its kind and body; who carried it does not matter."""
    return int.from_bytes(blake2b(bytes([kind]) + body, digest_size=8).digest(), "little")


def answered_before(turn: Turn, key: RefKey, asked: int) -> Reason | None:
    """None when the id is new. Otherwise NONE, with the first answer told again, or a reason to refuse."""
    first = turn.venue.remembered.get(key)
    if first is None:
        return Reason.CLIENT_IDS_FULL if len(turn.venue.remembered) >= limits.CLIENT_IDS_MAX else None
    if first.body_hash != asked:
        return Reason.CLIENT_ID_REUSED
    turn.emit(
        EventKind.DUPLICATE,
        account=turn.account,
        instrument=first.instrument,
        order=first.order,
        counter_order=first.seq,
        reason=first.reason,
    )
    return Reason.NONE


def remember(turn: Turn, key: RefKey, asked: int, *, reason: int, instrument: int, order: int) -> None:
    """Keep the first answer to an id."""
    assert key not in turn.venue.remembered
    turn.venue.remembered[key] = Remembered(asked, turn.seq, turn.ts_ns, reason, instrument, order)
