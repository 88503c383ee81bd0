"""`qhatu serve` as real processes: started, found, killed, stopped and continued by their ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.gateway.running import CONFIG

CHILDREN = (b"gateway.follower", b"gateway.sink")
SERVER = "[server]\nsegment_mib = 2\n"  # so that segments end


class NotServed(AssertionError):
    """The process ended before it took orders; its words are in `stderr`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the venue did not start: exit code {code}")
        self.code = code


class Served:
    """A venue that takes orders. Raises NotServed when it does not come to that."""

    def __init__(self, data: Path, stderr: Path, environment: dict[str, str] | None = None) -> None:
        config = data / "venue.toml"
        if not config.exists():
            config.write_text(f"{CONFIG.read_text()}\n{SERVER}")
        options = ["--config", str(config), "--data", str(data), "--port", "0"]
        command = [sys.executable, "-m", "gateway.cli", "serve", *options]
        started = time.monotonic()
        with stderr.open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.start_seconds = time.monotonic() - started
        if "http://" not in line:
            self.process.stdout.close()
            raise NotServed(self.process.wait(30))
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

    @staticmethod
    def name_of(child: int) -> str:
        """Which child it is: follower, sink; `child` when it is gone or has not become one."""
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return "child"
        return next((word.decode().removeprefix("gateway.") for word in words if word in CHILDREN), "child")

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
