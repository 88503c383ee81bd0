"""What releases of older generations told: their commands in this one's words, and of its events those that they had.

Sales were opened by one command, and bids named lot and maximum alone. All else of the golden venues meets no rule that
is new, so the digests that they recorded are those of this release too.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from engine.codes import GENERATION, CommandKind, EventKind
from engine.log.record import GENESIS_DIGEST, Record, chain_events
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch
from engine.messages.sales.english import EnglishOffer
from engine.state.hot import Hot
from gateway.projections.older import OPEN_SALE, older_body

NEW_KINDS = (EventKind.SALE_PLANNED, EventKind.SALE_STAGE, EventKind.AWARD_SET)


class OlderMachine:
    """Applies records of an older generation. `event_digest` is as its release had it."""

    def __init__(self, hot: Hot) -> None:
        self.machine = Machine(hot)
        self.event_digest = GENESIS_DIGEST

    def apply(self, record: Record) -> np.ndarray:
        """EVENT[n] as that release told them."""
        translated = replace(record, generation=GENERATION, batch=in_new_words(record.batch))
        events = self.machine.apply(translated)
        events = renumbered(events[~np.isin(events["kind"], NEW_KINDS)])
        if record.count:
            self.event_digest = chain_events(self.event_digest, events)
        return events


def in_new_words(batch: Batch) -> Batch:
    rows, parts, at = batch.rows.copy(), [], 0
    for row in rows:
        raw, at = batch.blob[at : at + int(row["body_length"])], at + int(row["body_length"])
        if row["kind"] == OPEN_SALE:
            body = older_body(OPEN_SALE, raw)
            assert body is not None
            row["kind"], raw = CommandKind.PLAN_SALE, bodies.encode_body(body)
        elif row["kind"] == CommandKind.BID:
            sale, lot, maximum = msgspec.msgpack.decode(raw)
            raw = bodies.encode_body(bodies.Bid(sale, EnglishOffer(lot, maximum)))
        row["body_length"] = len(raw)
        parts.append(raw)
    return Batch(rows, batch.extensions, b"".join(parts))


def renumbered(events: np.ndarray) -> np.ndarray:
    """Each command's events counted from 0."""
    events = events.copy()
    for command in np.unique(events["command"]):
        own = np.flatnonzero(events["command"] == command)
        events["index"][own] = np.arange(len(own))
    return events
