"""What a check has to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gateway.doctor.scene import Scene


class Level(StrEnum):
    FINE = "fine"
    NOTE = "note"  # nothing to be done
    WARNING = "warning"  # the venue runs, but not as it should
    LOST = "lost"  # the venue starts, but something that was durable cannot be read here
    STOP = "prevents start"


class Finding(NamedTuple):
    """`what` and `do` are sentences for a person; `do` holds the exact command where there is one."""

    level: Level
    about: str  # stable, for a program
    what: str
    do: str = ""


Check = Callable[["Scene"], Iterable[Finding]]
