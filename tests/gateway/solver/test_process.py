"""The solver as a process: what it says on stdout, its exit codes, its end with its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.package_problems import problem_of
from engine.messages.sales.packages import Propose
from gateway.solver.__main__ import EXIT_NO_SOLVER
from gateway.solver.solve import solve
from gateway.solver.task import Task, encode
from tests.gateway.children import lives, wait_for

WORKER = [sys.executable, "-m", "gateway.solver"]
SECONDS_MAX = 120


def task(lots: int, bids: int) -> Task:
    problem = problem_of("containers", lots, bids, seed=1)
    return Task(1, problem.digest(), "as_bid", problem.supply, problem.bids, {})


def run(command: list[str], raw: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=raw, capture_output=True, timeout=SECONDS_MAX)


def test_it_says_its_proposals_and_nothing_else() -> None:
    given = task(10, 30)
    done = run(WORKER, encode(given))
    assert done.returncode == 0 and done.stderr == b""
    said = [msgspec.json.decode(line, type=Propose) for line in done.stdout.splitlines()]
    assert said == list(solve(given)) and said[-1].leaves


def test_what_is_no_task_is_told() -> None:
    for raw in (b"", b"\xff\x00", msgspec.msgpack.encode([1, 2])):
        done = run(WORKER, raw)
        assert (done.returncode, done.stdout) == (2, b"") and b"no task" in done.stderr


def test_without_highspy_it_says_so() -> None:
    without = "import sys; sys.modules['highspy'] = None; from gateway.solver.__main__ import main; sys.exit(main([]))"
    done = run([sys.executable, "-c", without], encode(task(10, 30)))
    assert (done.returncode, done.stdout) == (EXIT_NO_SOLVER, b"") and b"highspy" in done.stderr


def test_it_ends_with_its_parent_in_the_middle_of_a_hard_problem(tmp_path: Path) -> None:
    (tmp_path / "task").write_bytes(encode(task(50, 500)))
    parent = (
        "import os, subprocess, sys\n"
        f"with open({str(tmp_path / 'task')!r}, 'rb') as task:\n"
        f"    worker = subprocess.Popen({WORKER!r} + ['--parent-pid', str(os.getpid())], stdin=task, stdout=-1)\n"
        "worker.stdout.readline()\n"  # the first allocation: it is at work
        "print(worker.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    done = run([sys.executable, "-c", parent], b"")
    pid = int(done.stdout)
    wait_for(lambda: not lives(pid), "the worker outlives its parent")
    assert os.getpid() != pid
