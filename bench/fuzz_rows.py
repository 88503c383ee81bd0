"""Random bytes as command rows: only valid events, sound arrays, and nothing that random bytes could have meant.

Three mixes: pure noise (rejects only); noise with a right kind, version and account; rows right but for a byte.
After every block each event is looked at and the arrays are audited now and then; a canonical dump closes the run.
"""

from __future__ import annotations

import argparse
import json
from hashlib import blake2b
from time import perf_counter

import numpy as np

from engine.codes import COLD_FIRST, EventKind, Phase, Reason
from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX
from engine.messages.rows import COMMAND, EVENT, EXTENSION, ROW_VERSION
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Space

BLOCK_ROWS = 4_000
AUDITS = 40
ACCEPTED_KEPT = 3_000  # orders that later cancels and replaces may name
KINDS = np.array([EventKind.ACCEPTED, EventKind.REJECTED, EventKind.DUPLICATE, EventKind.FILL, EventKind.CANCELLED,
                  EventKind.REPLACED])  # fmt: skip
REASONS = np.array([int(reason) for reason in Reason])
SPACE = Space(orders=65_536, streams=4_096, client_ids=65_536)


def venue(space: Space = SPACE) -> Books:
    books = Books(space)
    for instrument, phase in ((1, Phase.CONTINUOUS), (2, Phase.CALL), (300, Phase.CONTINUOUS)):
        books.list_instrument(
            instrument, multiplier=1, price_min=-PRICE_TICKS_MAX, price_max=PRICE_TICKS_MAX, qty_max=QTY_LOTS_MAX
        )
        books.set_phase(instrument, phase)
    for account in (1, 2, 3):
        books.open_account(account)
    return books


def noise(random: np.random.Generator, count: int, accepted: np.ndarray) -> np.ndarray:
    """Random bytes; cold kinds, which a kernel hands back, become hot ones."""
    rows = random.integers(0, 256, (count, COMMAND.itemsize), np.uint8).view(COMMAND).reshape(count)
    rows["kind"] %= COLD_FIRST
    return rows


def plausible_noise(random: np.random.Generator, count: int, accepted: np.ndarray) -> np.ndarray:
    """Noise whose kind, version, account and instrument are mostly right."""
    rows = noise(random, count, accepted)
    rows["kind"] = random.integers(1, 5, count)
    rows["version"] = ROW_VERSION
    rows["account"], rows["instrument"] = random.integers(0, 5, count), random.choice([1, 2, 300, 9], count)
    for name in ("flags", "stp", "extension", "body_length"):
        rows[name] = 0
    rows["ref_form"] = random.integers(0, 5, count)
    return rows


def nearly_right(random: np.random.Generator, count: int, accepted: np.ndarray) -> np.ndarray:
    """Orders that trade, cancels and replaces of orders once accepted; one row in eight has a byte changed."""
    rows = np.zeros(count, COMMAND)
    rows["kind"] = random.choice([1, 1, 2, 2, 3], count)
    rows["version"] = ROW_VERSION
    rows["side"], rows["type"] = random.integers(0, 2, count), random.random(count) < 0.1
    rows["tif"] = random.choice([0, 0, 0, 1, 2], count)
    rows["account"], rows["instrument"] = random.integers(1, 4, count), random.choice([1, 1, 2, 300], count)
    rows["price"] = np.where(rows["type"] == 1, 0, 100 + random.integers(-30, 31, count))
    far = random.random(count) < 0.02
    rows["price"][far & (rows["type"] == 0)] = random.integers(-(10**9), 10**9)
    rows["qty"] = random.integers(1, 100, count)
    if len(accepted):
        target, names = accepted[random.integers(0, len(accepted), count)], rows["kind"] != 1
        for name in ("order", "account", "instrument", "side"):
            rows[name][names] = target[name][names]
    raw = rows.view(np.uint8).reshape(count, COMMAND.itemsize)
    hit = np.flatnonzero(random.random(count) < 0.125)
    raw[hit, random.integers(0, COMMAND.itemsize, len(hit))] = random.integers(0, 256, len(hit))
    rows["kind"] %= COLD_FIRST
    return rows


MIXES = (noise, plausible_noise, nearly_right)


def check_events(rows: np.ndarray, events: np.ndarray) -> None:
    """What holds for the answers to any rows whatever."""
    assert np.isin(events["kind"], KINDS).all() and np.isin(events["reason"], REASONS).all()
    last = events["flags"] & 1 == 1
    assert np.array_equal(events["command"][last], np.arange(len(rows))), "every row is answered once, in order"
    assert np.array_equal(events["index"] == 0, np.r_[True, last[:-1]]), "indexes start over with each row"
    assert (events["leaves"] >= 0).all() and (np.abs(events["price"].astype(np.int64)) <= PRICE_TICKS_MAX).all()
    traded = events[events["kind"] == EventKind.FILL]
    assert ((traded["qty"] >= 1) & (traded["qty"] <= QTY_LOTS_MAX)).all()
    rejected = events[events["kind"] == EventKind.REJECTED]
    assert (rejected["reason"] != 0).all()


def fuzz(count: int, seed: int = 1) -> dict[str, object]:
    """Feed `count` rows. Raises AssertionError (Unsound is one) at the first answer or array that is wrong."""
    random = np.random.default_rng(seed)
    books, extensions = venue(), np.zeros(0, EXTENSION)
    totals, rejected, digest, done = np.zeros(256, np.int64), 0, blake2b(digest_size=8), 0
    accepted = np.zeros(0, EVENT)
    start = perf_counter()
    blocks = -(-count // BLOCK_ROWS)
    for block in range(blocks):
        mix = MIXES[block % len(MIXES)]
        rows = mix(random, min(BLOCK_ROWS, count - done), accepted)
        stop, events = books.run(rows, extensions, None, 0, first_seq=1 + done, ts_ns=done)
        assert stop == len(rows)
        check_events(rows, events)
        if mix is noise:
            assert (events["kind"] == EventKind.REJECTED).all(), "noise is refused"
        accepted = np.concatenate([accepted, events[events["kind"] == EventKind.ACCEPTED]])[-ACCEPTED_KEPT:]
        totals += np.bincount(events["kind"], minlength=256)
        rejected += int((events["kind"] == EventKind.REJECTED).sum())
        digest.update(events.tobytes())
        done += len(rows)
        if block % max(1, blocks // AUDITS) == 0:
            audit(books)
    audit(books)
    for name, part in books.canonical():
        digest.update(name.encode() + part)
    return {
        "rows": done,
        "rejected": rejected,
        "events": {kind.name.lower(): int(totals[kind]) for kind in EventKind if totals[kind]},
        "seconds": round(perf_counter() - start, 1),
        "hash": digest.hexdigest(),
        "seed": seed,
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench fuzz_rows", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000, help="rows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    answer = fuzz(options.count, options.seed)
    print(json.dumps(answer) if options.json else "  ".join(f"{name} {value}" for name, value in answer.items()))
