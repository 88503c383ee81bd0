"""The solver as a process: a frozen problem from stdin, proposals on stdout, one JSON line each.

    python -m gateway.solver [--parent-pid N]

It keeps nothing: killed and started again it says the same, or less where the venue knows more by then. Exit codes:

    0  all is said (the proof too, if it was found), or the parent is gone
    2  wrong arguments, or what came on stdin is no task
    6  highspy, the solver, is not installed
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from typing import BinaryIO

import msgspec

from gateway import child
from gateway.child import EXIT_ARGUMENTS, EXIT_ENDED

EXIT_NO_SOLVER = 6
PARENT_SECONDS = 0.25


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.solver", description="Propose for a package sale.")
    parser.add_argument("--parent-pid", type=int, default=None, help="end when this process is gone")
    given = parser.parse_args(argv)
    child.stand_back()
    if given.parent_pid is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches a whole foreground group: the parent ends this
        threading.Thread(target=_watch, args=(given.parent_pid,), daemon=True).start()
    with _out() as out:
        return _run(sys.stdin.buffer.read(), out)


def _run(raw: bytes, out: BinaryIO) -> int:
    try:
        from gateway.solver.solve import solve
    except ImportError as error:
        print(f"qhatu solver: {error}", file=sys.stderr)
        return EXIT_NO_SOLVER
    from gateway.solver.task import decode

    try:
        task = decode(raw)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        print(f"qhatu solver: no task: {error}", file=sys.stderr)
        return EXIT_ARGUMENTS
    for body in solve(task):
        out.write(msgspec.json.encode(body) + b"\n")
    return EXIT_ENDED


def _out() -> BinaryIO:
    """Stdout for the proposals alone: HiGHS has a banner, which goes nowhere."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return out


def _watch(parent_pid: int) -> None:
    """End with the parent, in the middle of whatever it is."""
    while not child.orphaned(parent_pid):
        time.sleep(PARENT_SECONDS)
    os._exit(EXIT_ENDED)


if __name__ == "__main__":
    sys.exit(main())
