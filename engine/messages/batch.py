"""A batch of commands: rows, extension rows and the bodies they point to, before they are stamped into a record."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.messages.bodies import Body, encode_body, kind_of
from engine.messages.rows import COMMAND, EXTENSION, ROW_VERSION


@dataclass(slots=True)
class Batch:
    """rows COMMAND[n], extensions EXTENSION[m], blob = the bodies of the rows in row order."""

    rows: np.ndarray
    extensions: np.ndarray = field(default_factory=lambda: np.zeros(0, EXTENSION))
    blob: bytes = b""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + self.extensions.nbytes + len(self.blob)


def cold(body: Body, account: int = 0, connection: int = 0, ref: tuple[int, int, int] = (0, 0, 0)) -> Batch:
    """One cold command as a batch. `ref` = (form, hi, lo) of its client id; (0, 0, 0) where it has none."""
    blob = encode_body(body)
    rows = np.zeros(1, COMMAND)
    row = rows[0]
    row["kind"], row["version"], row["account"], row["connection"] = kind_of(body), ROW_VERSION, account, connection
    row["ref_form"], row["ref_hi"], row["ref_lo"] = ref
    row["body_length"] = len(blob)
    return Batch(rows, blob=blob)


def join(batches: list[Batch]) -> Batch:
    """Several batches as one, in order; extension numbers are shifted to their new places."""
    if len(batches) == 1:
        return batches[0]
    # Bytes are joined, not arrays: NumPy compares the fields of structured types one by one, 25 us a pair.
    rows = np.frombuffer(bytearray().join(np.ascontiguousarray(b.rows).data for b in batches), COMMAND)
    at = shift = 0
    for batch in batches:
        if shift:
            part = rows[at : at + len(batch)]
            part["extension"][part["extension"] != 0] += shift
        at += len(batch)
        shift += len(batch.extensions)
    extensions = np.frombuffer(b"".join(np.ascontiguousarray(b.extensions).data for b in batches), EXTENSION)
    return Batch(rows, extensions, b"".join(b.blob for b in batches))
