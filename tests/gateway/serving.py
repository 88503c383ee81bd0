"""`qhatu serve` as a process of a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.gateway.running import CONFIG


class Serving:
    """A venue that takes orders at `url`. Raises AssertionError when it does not come to that."""

    def __init__(self, data: Path, *options: str | Path) -> None:
        options = options or (() if (data / "log").exists() else ("--config", CONFIG))
        command = [sys.executable, "-m", "gateway.cli", "serve", "--data", data, "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://" in line, f"it did not start: exit code {self.process.wait(30)}"
        self.url = "http://" + line.split("http://")[1].strip()

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        self.process.communicate(timeout=30)
        return self.process.returncode
