"""Which fills and orders are an account's, in blocks: what a store keeps instead of indexes.

    fills    blocks of FILLS_PER_BLOCK fills, an entry is a place in the block: PLACE
    orders   blocks of SEQS_PER_BLOCK commands, an entry is the command's place and what it entered or closed: ENTRY

For each key (account, instrument) that occurs in a block there is one string of entries, in the order of the log. A
batch adds to the strings of the last block or two and changes nothing older, wherever the log is cut.
"""

from __future__ import annotations

import numpy as np

from engine.limits import ACCOUNTS_MAX, INSTRUMENTS_MAX

PLACE_BITS, KEY_BITS = 14, 20
FILLS_PER_BLOCK = SEQS_PER_BLOCK = 1 << PLACE_BITS
PLACE = np.dtype("<u2")
ENTRY = np.dtype([("place", "<u2"), ("what", "<i8")])

assert max(ACCOUNTS_MAX, INSTRUMENTS_MAX) < 1 << KEY_BITS and PLACE_BITS <= 16

Postings = list[tuple[int, int, bytes]]  # (block, key, entries)


def postings_of_fills(fills: np.ndarray, keys: np.ndarray) -> Postings:
    """Of fills int64[n] with a key int64[n] each; a pair given twice counts once."""
    packed = np.sort(_run(fills, keys) << PLACE_BITS | fills % FILLS_PER_BLOCK)
    packed = packed[_firsts(packed)]
    return _strings(packed >> PLACE_BITS, (packed % FILLS_PER_BLOCK).astype(PLACE))


def postings_by_seq(seq: np.ndarray, keys: np.ndarray, what: np.ndarray) -> Postings:
    """Of commands, rising, that did something (`what`) to a key, all int64[n]; the same twice in a row counts once."""
    entries = np.empty(len(seq), ENTRY)
    entries["place"], entries["what"] = seq % SEQS_PER_BLOCK, what
    runs = _run(seq, keys)
    sort = np.argsort(runs, kind="stable")
    entries, runs = entries[sort], runs[sort]
    once = _firsts(runs) | _firsts(entries["place"]) | _firsts(entries["what"])  # a taker's fills stand together
    return _strings(runs[once], entries[once])


def fills_in(block: int, entries: bytes) -> np.ndarray:
    """int64[n]: the numbers of the fills of a string, rising."""
    return block * FILLS_PER_BLOCK + np.frombuffer(entries, PLACE).astype(np.int64)


def entries_in(block: int, entries: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(seq, what) of a string, both int64[n], seq rising."""
    found = np.frombuffer(entries, ENTRY)
    return block * SEQS_PER_BLOCK + found["place"].astype(np.int64), found["what"]


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
