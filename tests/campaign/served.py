"""`qhatu serve` as real processes: started, found, killed, stopped and continued by their ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.gateway.running import CONFIG


class Served:
    """A venue that takes orders. Raises AssertionError when it does not come to that; its words are in `stderr`."""

    def __init__(self, data: Path, stderr: Path | None = None) -> None:
        command = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--port", "0"]
        if not (data / "log").exists():
            command += ["--config", str(CONFIG)]
        started = time.monotonic()
        with open(stderr or os.devnull, "ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.start_seconds = time.monotonic() - started
        if "http://" not in line:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the venue did not start: {line!r}, exit code {self.process.returncode}")
        self.url = "http://" + line.split("http://")[1].split()[0].rstrip("/")

    def children(self) -> list[int]:
        """Processes whose parent it is, now."""
        found: list[int] = []
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:  # the thread has ended
                continue
        return found

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def end(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def send(pid: int, number: signal.Signals) -> bool:
    """Signal a process that may be gone; whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
