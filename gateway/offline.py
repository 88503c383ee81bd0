"""What the offline commands share: their answer to trouble, and progress for a person who waits.

Trouble is one line on stderr and exit code 1, nothing on stdout; wrong arguments are exit code 2.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from engine.log.record import Record

PROGRESS_SECONDS = 1.0

DataDir = Annotated[Path, typer.Option("--data", help="The venue's data directory.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


class Refused(Exception):
    """The command cannot be done; the message says why."""


@contextmanager
def refusals(command: str) -> Iterator[None]:
    """Everything that can be wrong with a data directory becomes a line on stderr and exit code 1."""
    from engine.log.files import Locked
    from engine.log.interface import LogCorrupt, LogFailed
    from engine.log.replay import DigestDiffers
    from gateway.replaying import NoVenue, NoWayBack

    try:
        yield
    except (typer.Exit, typer.Abort, KeyboardInterrupt, BrokenPipeError):
        raise
    except (Refused, NoVenue, NoWayBack, Locked, LogCorrupt, LogFailed, DigestDiffers, OSError, ValueError) as error:
        _refuse(command, str(error))
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        hint = "a bug; `qhatu skip` can pass over the command"
        _refuse(command, f"the engine stopped {notes}: {type(error).__name__}: {error} ({hint})")


def _refuse(command: str, why: str) -> None:
    print(f"qhatu {command}: {why}", file=sys.stderr)
    raise typer.Exit(1) from None


def progress_line() -> Callable[[Record], None] | None:
    """A line on stderr that counts commands, when a person is looking; None otherwise."""
    if not sys.stderr.isatty():
        return None
    started = last = time.monotonic()

    def tell(record: Record) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS:
            last = now
            rate = record.next_seq / (now - started)
            print(f"\r{record.next_seq - 1:,} commands, {rate:,.0f} a second", end="", file=sys.stderr, flush=True)

    return tell
