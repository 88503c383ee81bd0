"""Applied records laid end to end, so that their events can be handled as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import RefForm
from engine.log.record import Record
from engine.messages.bodies import Body, decode_body
from engine.messages.refs import exact_text
from engine.messages.rows import EXTENSION, joined
from gateway.projections.older import older_body

Rows = (
    Iterable[tuple[Any, ...]] | np.ndarray
)  # in the order of a statement's columns, to be gone through once; int64[n, k]
Changes = dict[str, Rows]  # by name of the statement


@dataclass
class Flow:
    """Records of one batch."""

    events: np.ndarray  # EVENT[n]
    seq: np.ndarray  # int64[n]
    ts_ns: np.ndarray  # int64[n]
    row: np.ndarray  # int64[n]  row of the event's command in `rows`
    rows: np.ndarray  # COMMAND[m]
    extensions: np.ndarray  # EXTENSION[x] of all records
    extension_at: np.ndarray  # int64[m]  where each row's extension stands among them; -1: it has none
    blob: bytes
    body_end: np.ndarray  # int64[m]  where each row's body ends in the blob

    @classmethod
    def join(cls, batch: list[tuple[Record, np.ndarray, bytes]]) -> Flow:
        events = joined([part for _, part, _ in batch])
        lengths = [len(part) for _, part, _ in batch]
        counts = np.array([record.count for record, _, _ in batch], np.int64)
        command = events["command"].astype(np.int64)
        rows = joined([record.batch.rows for record, _, _ in batch])
        extended = [record.batch.extensions for record, _, _ in batch if len(record.batch.extensions)]
        before = np.cumsum([0, *(len(record.batch.extensions) for record, _, _ in batch[:-1])])
        number = rows["extension"].astype(np.int64)
        return cls(
            events,
            np.repeat(np.array([record.first_seq for record, _, _ in batch], np.int64), lengths) + command,
            np.repeat(np.array([record.ts_ns for record, _, _ in batch], np.int64), lengths),
            np.repeat(np.cumsum(counts) - counts, lengths) + command,
            rows,
            joined(extended) if extended else np.zeros(0, EXTENSION),
            np.where(number > 0, number - 1 + np.repeat(before, counts), -1),
            b"".join(record.batch.blob for record, _, _ in batch),
            np.cumsum(rows["body_length"], dtype=np.int64),
        )

    def body_bytes(self, row: int) -> bytes:
        end = int(self.body_end[row])
        return self.blob[end - int(self.rows["body_length"][row]) : end]

    def body(self, at: int) -> Body:
        """The decoded body of the command that caused event `at`."""
        row = int(self.row[at])
        kind, raw = int(self.rows["kind"][row]), self.body_bytes(row)
        return older_body(kind, raw) or decode_body(kind, raw)

    def client_text(self, row: int) -> str | None:
        """Text client id of the command in `row`, short or in full from the blob; None without one."""
        part = self.rows[row]
        if part["ref_form"] == RefForm.TEXT:
            return exact_text(int(part["ref_hi"]), int(part["ref_lo"]))
        return self.body_bytes(row).decode("ascii") if part["ref_form"] == RefForm.DIGEST else None


def rows_at(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """rows[places], copied as 64-bit words (see `joined`)."""
    words = rows.view("<u8").reshape(len(rows), -1)
    return words[places].view(rows.dtype).ravel()
