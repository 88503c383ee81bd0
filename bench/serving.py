"""A real venue as a process, for the benchmarks that ask what a client sees."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.replaying import STATUS_FILE

INSTRUMENTS = 8
CONNECTIONS = 8
TOKEN = "qk_bench{:02d}pipelineloadclientkey0000"

_INSTRUMENT = """
[[instruments]]
symbol = "BENCH-{id}"
name = "Bench coffee {id}"
commodity = "green coffee"
tick_size = "0.05"
price_unit = "USc/lb"
lot_kg = "69"
lot_unit = "bag of 69 kg"
currency = "USD"
opening = "continuous"
"""
_ACCOUNT = """
[[accounts]]
account = {id}
label = "bench-{id}"
kind = "importer"

[[keys]]
account = {id}
roles = ["read", "trade"]
token = "{token}"
"""


def config_text(server: str = "") -> str:
    """A venue of INSTRUMENTS open books and CONNECTIONS traders; `server` are lines of its table of that name."""
    return "\n".join(
        [f'venue = "bench"\n[server]\n{server}']
        + [_INSTRUMENT.format(id=k + 1) for k in range(INSTRUMENTS)]
        + [_ACCOUNT.format(id=k + 1, token=TOKEN.format(k)) for k in range(CONNECTIONS)]
    )


class Served(NamedTuple):
    port: int
    pid: int
    data: Path
    log: Path  # what it says on stderr

    def seq(self) -> int:
        """Last command applied."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return int(float(re.search(r"^qhatu_seq (\S+)", text, re.MULTILINE)[1]))  # type: ignore[index]

    def followed(self, name: str = STATUS_FILE) -> int:
        """Command up to which the process of that status file has come; 0 when it has not said."""
        try:
            return int(json.loads((self.data / name).read_text())["seq"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def children(self) -> list[int]:
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for path in tasks for pid in path.read_text().split()]

    def seconds_until_caught_up(self, names: Sequence[str], limit: float = 120.0) -> dict[str, float]:
        """How long each of these followers and sinks still takes to come to the venue's last command."""
        started, end = time.monotonic(), self.seq()
        took: dict[str, float] = {}
        while len(took) < len(names):
            now = time.monotonic() - started
            took |= {name: now for name in names if name not in took and self.followed(name) >= end}
            if now > limit:
                raise TimeoutError(f"not caught up with command {end} after {limit} s")
            time.sleep(0.05)
        return took


@contextlib.contextmanager
def venue(
    core: int | None, *options: str, data: Path | None = None, server: str = "", tables: str = ""
) -> Iterator[Served]:
    """A real `qhatu serve` on a free port, with `options`; its data directory is new unless `data` names one.

    tables  of its configuration instead of the books and traders of `config_text`
    """
    with tempfile.TemporaryDirectory(prefix="qhatu-bench-") as folder:
        config = Path(folder) / "bench.toml"
        text = f'venue = "bench"\n[server]\n{server}\n{tables}' if tables else config_text(server)
        config.write_text(text, encoding="utf-8")
        data = data or Path(folder) / "data"
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
        command += ["--data", str(data), "--port", "0", *options]
        log = (Path(folder) / "serve.log").open("w+")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[^:]+:(\d+)", line)
            if not found:
                log.seek(0)
                raise RuntimeError(f"the venue did not start: {line!r}\n{log.read()}")
            if core is not None:  # every thread of serve; its children, processes of their own, go where there is room
                for task in os.listdir(f"/proc/{process.pid}/task"):
                    with contextlib.suppress(ProcessLookupError):  # a thread of the start that has ended
                        os.sched_setaffinity(int(task), {core})
            yield Served(int(found[1]), process.pid, data, Path(log.name))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            log.close()
