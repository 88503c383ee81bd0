"""SKIP commands: which sequences an operator has told every replay to pass over.

They are collected from the whole log before anything is applied: a SKIP always stands after the command it names.
"""

from __future__ import annotations

import contextlib

import msgspec
import numpy as np

from engine.codes import CommandKind
from engine.messages.batch import Batch
from engine.messages.bodies import Skip, decode_body


def skips_of(batch: Batch) -> list[int]:
    """Sequences named by the SKIP commands of one batch; one whose body is malformed names none."""
    rows = np.flatnonzero(batch.rows["kind"] == CommandKind.SKIP)
    if not len(rows):
        return []
    lengths = batch.rows["body_length"].astype(np.int64)
    ends = lengths.cumsum()
    named = []
    for row in rows:
        with contextlib.suppress(msgspec.DecodeError):
            body = decode_body(CommandKind.SKIP, batch.blob[ends[row] - lengths[row] : ends[row]])
            assert isinstance(body, Skip)
            named.append(body.seq)
    return named
