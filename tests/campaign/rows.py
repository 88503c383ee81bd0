"""Endless rows of items: all those of seed 0, then of seed 1, and so on; portions of a row are judged one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.campaign.ledger import Outcome

Item = TypeVar("Item")


def run_row(
    part: str, first: int, count: int, items_of: Callable[[int], Sequence[Item]], judge: Callable[[int, Item], str]
) -> Outcome:
    """Items `first` to `first + count`. `judge(seed, item)` names the allowed outcome, counted under that name, and
    raises for any other."""
    outcome = Outcome()
    seed = passed = 0
    for index in range(first, first + count):
        while index - passed >= len(items_of(seed)):
            passed += len(items_of(seed))
            seed += 1
        item = items_of(seed)[index - passed]
        try:
            outcome.add(**{judge(seed, item): 1})
        except Exception as error:
            outcome.failures.append(
                f"--part {part} --first {index}: seed {seed}, {item}: {type(error).__name__} {error}"
            )
    return outcome
