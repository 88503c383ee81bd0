"""Client ids of cold commands: the same text id is answered once, however often it is sent.

The rule is that of orders (DESIGN section 2): same id and same body, the first answer again; other body, a refusal.
An id is remembered CLIENT_ID_MEMORY_NS from its first answer, refusals included; cold commands end when they are
answered. Only text forms are taken: numbers of a stream belong to hot rows. Each account has a share of the room (from
generation 2); one that had more before keeps what it has and gets no more until it is below.
"""

from __future__ import annotations

from hashlib import blake2b

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
        venue, space = turn.venue, turn.hot.space
        if venue.remembered_of[turn.account] >= space.client_ids_share:
            return Reason.CLIENT_IDS_SHARE_FULL
        return Reason.CLIENT_IDS_FULL if len(venue.remembered) >= space.client_ids else None
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
    turn.venue.remember(key, Remembered(asked, turn.seq, turn.ts_ns, reason, instrument, order))
