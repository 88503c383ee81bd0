"""The ledger of a campaign: one JSON line for each finished portion, appended and never changed."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

DEFAULT = Path("var/campaign/ledger.jsonl")


class Outcome(msgspec.Struct):
    """What a portion found. `sums` are added up over portions, except that names ending in `_max` keep the largest."""

    failures: list[str] = []
    sums: dict[str, float] = {}

    def add(self, **amounts: float) -> None:
        join_sums(self.sums, amounts)

    def join(self, other: Outcome) -> None:
        self.failures += other.failures
        join_sums(self.sums, other.sums)


class Portion(msgspec.Struct):
    """Items `first` to `first + count` of a part."""

    part: str
    first: int
    count: int
    failed: int
    details: dict[str, float]
    failures: list[str]
    revision: str
    seconds: float
    at: str  # UTC, when it was finished


def join_sums(sums: dict[str, float], more: dict[str, float]) -> None:
    for name, amount in more.items():
        before = sums.get(name, 0)
        sums[name] = max(before, amount) if name.endswith("_max") else before + amount


class Ledger:
    """Portions in a file. A line that was cut off by a crash is passed over: its portion is run again."""

    def __init__(self, path: Path = DEFAULT) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Portion]:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines():
            try:
                yield msgspec.json.decode(line, type=Portion)
            except msgspec.DecodeError:
                continue

    def append(self, portion: Portion) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0, 2)
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(msgspec.json.encode(portion) + b"\n")

    def next_first(self, part: str) -> int:
        """The first item of a part that no portion holds."""
        return max((portion.first + portion.count for portion in self if portion.part == part), default=0)

    def table(self, goals: dict[str, int]) -> str:
        """A line for each part, then how to repeat what failed."""
        done, failed, seconds = Counter[str](), Counter[str](), Counter[str]()
        sums: dict[str, dict[str, float]] = {part: {} for part in goals}
        revisions: dict[str, set[str]] = {part: set() for part in goals}
        again = []
        for portion in self:
            if portion.part not in goals:
                continue
            done[portion.part] += portion.count
            failed[portion.part] += portion.failed
            seconds[portion.part] += portion.seconds
            join_sums(sums[portion.part], portion.details)
            revisions[portion.part].add(portion.revision)
            again += [f"{portion.part} of {portion.revision}: {failure}" for failure in portion.failures]
        lines = [f"{'part':<16}{'done':>9} {'goal':>9} {'failed':>7} {'minutes':>8} {'revisions':>9}  sums"]
        for part, goal in goals.items():
            told = ", ".join(f"{name} {_number(amount)}" for name, amount in sorted(sums[part].items()))
            lines.append(
                f"{part:<16}{done[part]:>9,} {goal:>9,} {failed[part]:>7} {seconds[part] / 60:>8.1f}"
                f" {len(revisions[part]):>9}  {told}"
            )
        return "\n".join(lines + again)


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.2f}"


def revision() -> str:
    """Of the working tree: `git describe`, with -dirty when it differs from that commit; `unknown` outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
