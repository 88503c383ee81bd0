"""Which fills and which closed orders are an account's, in blocks: what a store keeps instead of an index.

    fills           blocks of FILLS_PER_BLOCK fills, an entry is a place in the block: PLACE
    closed orders   blocks of SEQS_PER_BLOCK commands, an entry is the closing command's place and the order: CLOSING

For each key (account, instrument) that occurs in a block there is one string of entries, in the order of the log. A
batch adds to the strings of the last block or two and changes nothing older, wherever the log is cut.
"""

from __future__ import annotations

import numpy as np

from engine.codes import EventKind
from engine.limits import ACCOUNTS_MAX, INSTRUMENTS_MAX
from gateway.projections.flow import Flow, rows_at

PLACE_BITS, KEY_BITS = 14, 20
FILLS_PER_BLOCK = SEQS_PER_BLOCK = 1 << PLACE_BITS
PLACE = np.dtype("<u2")
CLOSING = np.dtype([("place", "<u2"), ("order", "<i8")])

assert max(ACCOUNTS_MAX, INSTRUMENTS_MAX) < 1 << KEY_BITS and PLACE_BITS <= 16

Postings = list[tuple[int, int, bytes]]  # (block, key, entries)


def postings_of_fills(fills: np.ndarray, keys: np.ndarray) -> Postings:
    """Of fills int64[n] with a key int64[n] each; a pair given twice counts once."""
    packed = np.sort(_run(fills, keys) << PLACE_BITS | fills % FILLS_PER_BLOCK)
    packed = packed[_firsts(packed)]
    return _strings(packed >> PLACE_BITS, (packed % FILLS_PER_BLOCK).astype(PLACE))


def postings_of_closed(flow: Flow) -> Postings:
    """Of orders that an event ended, or may have ended: a FILL does not tell what it leaves of `order`. Whether it did
    is seen from the order's row, which names the command that closed it."""
    kind, fill = flow.events["kind"], flow.events["kind"] == EventKind.FILL
    at, counter = np.nonzero(
        np.column_stack([fill | (kind == EventKind.CANCELLED), fill & (flow.events["leaves"] == 0)])
    )
    events = rows_at(flow.events, at)
    entries = np.empty(len(at), CLOSING)
    entries["place"] = flow.seq[at] % SEQS_PER_BLOCK
    entries["order"] = np.where(counter, events["counter_order"], events["order"])
    runs = _run(flow.seq[at], np.where(counter, events["counter_account"], events["account"]).astype(np.int64))
    sort = np.argsort(runs, kind="stable")
    entries, runs = entries[sort], runs[sort]
    once = _firsts(entries["order"]) | _firsts(entries["place"])  # of a taker's fills, which stand together
    return _strings(runs[once], entries[once])


def fills_in(block: int, entries: bytes) -> np.ndarray:
    """int64[n]: the numbers of the fills of a string, rising."""
    return block * FILLS_PER_BLOCK + np.frombuffer(entries, PLACE).astype(np.int64)


def closed_in(block: int, entries: bytes) -> list[tuple[int, int]]:
    """(closed_seq, order) of a string, rising."""
    closings = np.frombuffer(entries, CLOSING)
    seqs = block * SEQS_PER_BLOCK + closings["place"].astype(np.int64)
    return sorted(set(zip(seqs.tolist(), closings["order"].tolist(), strict=True)))


def _run(places: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Block and key in one number, which sorts as they do."""
    return places >> PLACE_BITS << KEY_BITS | keys


def _firsts(values: np.ndarray) -> np.ndarray:
    """bool[n]: where a value differs from the one before it."""
    firsts = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=firsts[1:])
    return firsts


def _strings(runs: np.ndarray, entries: np.ndarray) -> Postings:
    """Entries of equal runs, which stand together, as one string each."""
    starts = np.flatnonzero(_firsts(runs))
    bounds, raw = (np.append(starts, len(runs)) * entries.itemsize).tolist(), entries.tobytes()
    return [
        (run >> KEY_BITS, run & (1 << KEY_BITS) - 1, raw[begin:end])
        for run, begin, end in zip(runs[starts].tolist(), bounds, bounds[1:], strict=False)
    ]
