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
from gateway.projections.flow import Flow

PLACE_BITS, KEY_BITS = 14, 20
FILLS_PER_BLOCK = SEQS_PER_BLOCK = 1 << PLACE_BITS
PLACE = np.dtype("<u2")
CLOSING = np.dtype([("place", "<u2"), ("order", "<i8")])

assert max(ACCOUNTS_MAX, INSTRUMENTS_MAX) < 1 << KEY_BITS and PLACE_BITS <= 16

Postings = list[tuple[int, int, bytes]]  # (block, key, entries)


def postings_of_fills(fills: np.ndarray, keys: np.ndarray) -> Postings:
    """Of fills int64[n] with a key int64[n] each; a pair given twice counts once."""
    packed = np.unique(_run(fills, keys) << PLACE_BITS | fills % FILLS_PER_BLOCK)
    return _strings(packed >> PLACE_BITS, (packed % FILLS_PER_BLOCK).astype(PLACE))


def postings_of_closed(flow: Flow) -> Postings:
    """Of orders that an event ended, or may have ended: a FILL does not tell what it leaves of `order`. Whether it did
    is seen from the order's row, which names the command that closed it."""
    kind = flow.events["kind"]
    ended = np.flatnonzero((kind == EventKind.CANCELLED) | (kind == EventKind.FILL))
    counter = np.flatnonzero((kind == EventKind.FILL) & (flow.events["leaves"] == 0))
    order = np.concatenate([flow.events["order"][ended], flow.events["counter_order"][counter]])
    account = np.concatenate([flow.events["account"][ended], flow.events["counter_account"][counter]])
    seq = flow.seq[np.concatenate([ended, counter])]
    run = _run(seq, account.astype(np.int64))
    sort = np.lexsort((order, seq, run))
    order, seq, run = order[sort], seq[sort], run[sort]
    once = np.ones(len(order), bool)
    once[1:] = (order[1:] != order[:-1]) | (seq[1:] != seq[:-1])
    entries = np.empty(np.count_nonzero(once), CLOSING)
    entries["place"], entries["order"] = seq[once] % SEQS_PER_BLOCK, order[once]
    return _strings(run[once], entries)


def fills_in(block: int, entries: bytes) -> np.ndarray:
    """int64[n]: the numbers of the fills of a string, rising."""
    return block * FILLS_PER_BLOCK + np.frombuffer(entries, PLACE).astype(np.int64)


def closed_in(block: int, entries: bytes) -> list[tuple[int, int]]:
    """(closed_seq, order) of a string, rising."""
    closings = np.frombuffer(entries, CLOSING)
    seqs = block * SEQS_PER_BLOCK + closings["place"].astype(np.int64)
    return list(zip(seqs.tolist(), closings["order"].tolist(), strict=True))


def _run(places: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Block and key in one number, which sorts as they do."""
    return places >> PLACE_BITS << KEY_BITS | keys


def _strings(runs: np.ndarray, entries: np.ndarray) -> Postings:
    """Entries of equal runs, which stand together, as one string each."""
    if not len(runs):
        return []
    starts = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1]]))
    bounds, raw = (np.append(starts, len(runs)) * entries.itemsize).tolist(), entries.tobytes()
    return [
        (run >> KEY_BITS, run & (1 << KEY_BITS) - 1, raw[begin:end])
        for run, begin, end in zip(runs[starts].tolist(), bounds, bounds[1:], strict=False)
    ]
