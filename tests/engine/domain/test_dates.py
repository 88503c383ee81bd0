"""Days without a clock: against the standard library, over the whole range of venue time."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.dates import DAY_NS, date_of, is_date

EPOCH = datetime.date(1970, 1, 1)


@given(st.integers(0, 2**63 - 1))
def test_the_day_of_a_time_is_the_calendar_s(ts_ns: int) -> None:
    assert date_of(ts_ns) == (EPOCH + datetime.timedelta(days=ts_ns // DAY_NS)).isoformat()


def test_every_day_of_four_centuries() -> None:
    assert all(
        date_of(n * DAY_NS) == (EPOCH + datetime.timedelta(days=n)).isoformat() and is_date(date_of(n * DAY_NS))
        for n in range(0, 146_097, 7)
    )


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2024-02-29", True), ("2023-02-29", False), ("2100-02-29", False), ("2000-02-29", True), ("2026-04-31", False),
        ("2026-12-31", True), ("2026-13-01", False), ("2026-00-10", False), ("2026-1-1", False), ("TEST", False),
        ("", False), ("２０２６-01-01", False), ("2026-01-01\n", False),
    ],
)  # fmt: skip
def test_a_day_that_there_is(text: str, is_one: bool) -> None:
    assert is_date(text) is is_one
