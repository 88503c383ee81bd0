"""Applied records laid end to end, so that their events can be handled as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import RefForm
from engine.log.record import Record
from engine.messages.bodies import Body, decode_body

Rows = Iterable[tuple[Any, ...]]  # in the order of a statement's columns; to be gone through once
Changes = dict[str, Rows]  # by name of the statement


@dataclass
class Flow:
    """Records of one batch."""

    events: np.ndarray  # EVENT[n]
    seq: np.ndarray  # int64[n]
    ts_ns: np.ndarray  # int64[n]
    row: np.ndarray  # int64[n]  row of the event's command in `rows`
    rows: np.ndarray  # COMMAND[m]
    blob: bytes
    body_end: np.ndarray  # int64[m]  where each row's body ends in the blob

    @classmethod
    def join(cls, batch: list[tuple[Record, np.ndarray, bytes]]) -> Flow:
        events = np.concatenate([part for _, part, _ in batch])
        lengths = [len(part) for _, part, _ in batch]
        counts = np.array([record.count for record, _, _ in batch], np.int64)
        command = events["command"].astype(np.int64)
        rows = np.concatenate([record.batch.rows for record, _, _ in batch])
        return cls(
            events,
            np.repeat(np.array([record.first_seq for record, _, _ in batch], np.int64), lengths) + command,
            np.repeat(np.array([record.ts_ns for record, _, _ in batch], np.int64), lengths),
            np.repeat(np.cumsum(counts) - counts, lengths) + command,
            rows,
            b"".join(record.batch.blob for record, _, _ in batch),
            np.cumsum(rows["body_length"], dtype=np.int64),
        )

    def body_bytes(self, row: int) -> bytes:
        end = int(self.body_end[row])
        return self.blob[end - int(self.rows["body_length"][row]) : end]

    def body(self, at: int) -> Body:
        """The decoded body of the command that caused event `at`."""
        row = int(self.row[at])
        return decode_body(int(self.rows["kind"][row]), self.body_bytes(row))

    def client_ids(self, rows: np.ndarray) -> list[str | None]:
        """Client ids of the commands in `rows` as text: exact, in full from the blob, or "stream/number"."""
        part = self.rows[rows]
        form, hi, lo = part["ref_form"], part["ref_hi"], part["ref_lo"]
        ids: list[str | None]
        if (form == RefForm.STREAM).all():
            return [f"{stream}/{number}" for stream, number in zip(hi.tolist(), lo.tolist(), strict=True)]
        exact = np.ascontiguousarray(np.stack([hi, lo], axis=1)).view("S16").ravel()
        ids = [raw.decode("latin-1") for raw in exact.tolist()]
        for at in np.flatnonzero(form != RefForm.TEXT).tolist():
            if form[at] == RefForm.STREAM:
                ids[at] = f"{hi[at]}/{lo[at]}"
            elif form[at] == RefForm.DIGEST:
                ids[at] = self.body_bytes(int(rows[at])).decode("ascii")
            else:
                ids[at] = None
        return ids
