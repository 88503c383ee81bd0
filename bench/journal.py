"""Commits of the log: one record, one write, one sync, beside a bare pwrite + fdatasync of the same bytes.

Both go into pre-zeroed files on the same disk and take turns in short rounds, so that a busy neighbour slows both. The
log's time includes finding the record's place, the chain check and, at the end of a segment, the rotation (the next
segment is prepared in between, as the venue does beside its work). Encoding the record is shown apart.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from hashlib import blake2b
from pathlib import Path
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np

from engine.codes import CommandKind
from engine.limits import RECORD_COMMANDS_MAX, SEGMENT_BYTES
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import GENESIS_DIGEST, padded
from engine.log.segments import zero
from engine.messages.batch import Batch
from engine.messages.rows import COMMAND, ROW_VERSION
from gateway.sequencer import Stamp

ROUND = 50  # commits of one kind before the other's turn
SIZES = (1, 100, 1_000, RECORD_COMMANDS_MAX)


class Line(NamedTuple):
    commands: int  # in a record
    commits: int
    commits_per_s: float
    ns_p50: float
    ns_p99: float
    bare_commits_per_s: float
    bare_ns_p50: float
    bare_ns_p99: float
    ratio_p50: float  # log over bare
    ratio_mean: float
    encode_ns_p50: float
    hash: str  # of the log's last record
    seed: int

    def text(self) -> str:
        log = f"{self.commits_per_s:7,.0f} /s p50 {self.ns_p50 / 1e3:7.1f} p99 {self.ns_p99 / 1e3:8.1f} us"
        bare = (
            f"{self.bare_commits_per_s:7,.0f} /s p50 {self.bare_ns_p50 / 1e3:7.1f} p99 {self.bare_ns_p99 / 1e3:8.1f} us"
        )
        return (
            f"journal  n={self.commands:<5,d} log {log}   bare {bare}   log/bare p50 {self.ratio_p50:4.2f}x "
            f"mean {self.ratio_mean:4.2f}x  encode {self.encode_ns_p50 / 1e3:5.1f} us  hash {self.hash}  "
            f"seed {self.seed}"
        )


def batch_of(commands: int, seed: int) -> Batch:
    random = np.random.Generator(np.random.PCG64(seed))
    rows = np.zeros(commands, COMMAND)
    rows["kind"], rows["version"], rows["account"], rows["instrument"] = CommandKind.NEW, ROW_VERSION, 1, 1
    rows["side"], rows["price"] = random.integers(0, 2, commands), random.integers(1, 1_000, commands)
    rows["qty"], rows["ref_lo"] = random.integers(1, 100, commands), np.arange(commands)
    return Batch(rows)


def measure(directory: Path, commands: int, commits: int, seed: int) -> Line:
    """`commits` of each kind, in turns."""
    files = RealFiles()
    log = LocalLog.open(files, directory / f"log-{commands}")
    stamp = Stamp(log.claim(), 0)
    bare = files.open(directory / f"bare-{commands}", create=True)
    zero(files, bare, 0, SEGMENT_BYTES)
    batch = batch_of(commands, seed)
    spans, bare_spans, encode_spans = [], [], []
    at, now_ns = 0, 0
    while len(spans) < commits:
        for _ in range(ROUND):
            start = perf_counter_ns()
            record = stamp.record(batch, now_ns, 0, GENESIS_DIGEST)
            encoded = perf_counter_ns()
            log.write(record)
            spans.append(perf_counter_ns() - encoded)
            encode_spans.append(encoded - start)
            now_ns += 1
        for _ in range(ROUND):
            if at + padded(len(record.raw)) > SEGMENT_BYTES:
                at = 0
            start = perf_counter_ns()
            os.pwrite(bare, record.raw, at)
            os.fdatasync(bare)
            bare_spans.append(perf_counter_ns() - start)
            at += padded(len(record.raw))
        if log.wants_room():
            log.make_room()
    log.close()
    files.close(bare)
    p50, p99 = np.percentile(spans, (50, 99))
    bare_p50, bare_p99 = np.percentile(bare_spans, (50, 99))
    return Line(
        commands, len(spans), 1e9 / np.mean(spans), p50, p99, 1e9 / np.mean(bare_spans), bare_p50, bare_p99,
        p50 / bare_p50, float(np.mean(spans) / np.mean(bare_spans)), float(np.median(encode_spans)),
        blake2b(record.digest, digest_size=4).hexdigest(), seed,
    )  # fmt: skip


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench journal", description=__doc__)
    parser.add_argument("--commits", type=int, default=2_000, help="of each kind and size")
    parser.add_argument("--dir", type=Path, default=None, help="where (default: the temporary folder)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="qhatu-journal-", dir=options.dir) as directory:
        lines = [measure(Path(directory), commands, options.commits, options.seed) for commands in SIZES]
    if options.json:
        print(json.dumps([line._asdict() for line in lines]))
    else:
        print(*(line.text() for line in lines), sep="\n")
