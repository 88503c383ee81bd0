"""Cold commands over REST: submit one body, read its events, refuse as the engine refuses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.codes import EventKind, Reason
from engine.limits import BODY_BYTES_MAX
from engine.messages.batch import cold
from engine.messages.bodies import Body
from gateway.order_answers import own_events
from gateway.problems import Problem, of_reason
from gateway.rest.routes import Call


class Done(NamedTuple):
    seq: int  # of the command, or of the first one where this is a repeat
    duplicate: bool
    ts_ns: int
    events: np.ndarray  # EVENT[k]; of a repeat the one DUPLICATE


async def command(call: Call, body: Body) -> Done:
    """Durable and decided. The Idempotency-Key is the command's id. Raises Problem."""
    batch = cold(body, account=call.account, ref=call.ref)
    if len(batch.blob) > BODY_BYTES_MAX:
        raise Problem("too_large", f"This takes {len(batch.blob)} bytes in the log; a command has {BODY_BYTES_MAX}.")
    outcome = await call.front.outcome(batch)
    events = own_events(outcome.events)
    first, seq = events[0], outcome.first_seq + outcome.row0
    duplicate = first["kind"] == EventKind.DUPLICATE
    if first["kind"] == EventKind.REJECTED and first["reason"] == Reason.CLIENT_ID_REUSED:
        raise Problem("idempotency_key_reused", "This Idempotency-Key was used with another content.", seq=seq)
    if first["kind"] == EventKind.REJECTED or (duplicate and first["reason"]):
        raise of_reason(int(first["reason"]), seq=seq)
    if duplicate:
        call.status = 200
        seq = int(first["counter_order"])
    return Done(seq, bool(duplicate), outcome.ts_ns, events)
