"""Sessions in a time zone to absolute times: tables around holidays, weekends and changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from engine.codes import Phase
from gateway.calendars import Calendar, CalendarError, check, phase_at, rounds

DAY = 86_400 * 10**9
DAILY = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
WEEKDAYS = {"days": ["mon", "tue", "wed", "thu", "fri"]}
CYCLING = WEEKDAYS | {"from": "08:00", "to": "09:00", "every": 60, "cycle": [{"after": 1, "phase": "no_cancel"}]}
AUCTION = [{"at": "09:00", "phase": "call"}, {"at": "10:00", "uncross": "closed"}]

END = {"at": "10:00:20", "day_end": True}
EARLY = {"at": "10:00", "uncross": "closed", "random_seconds": 30}
RANDOM = {"at": "11:00", "random_seconds": 1}
CROWDED = [{"after": 10, "phase": "call"}, {"after": 60, "uncross": "continuous", "random_seconds": 11}]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def utc(due_ns: int) -> str:
    return datetime.fromtimestamp(due_ns // 10**9, UTC).strftime("%m-%d %H:%M:%S")


def calendar(zone: str, *sessions: dict[str, Any], holidays: list[dict[str, str]] | None = None) -> Calendar:
    raw = {"version": 1, "time_zone": zone, "sessions": list(sessions), "holidays": holidays or []}
    made = msgspec.convert(raw, Calendar, strict=True)
    check(made)
    return made


def times(found: Calendar, start: str, end: str) -> list[list[str]]:
    return [[utc(entry.due_ns) for entry in one] for one in rounds(found, ns(start), ns(end))]


def test_a_week_in_lima() -> None:
    """Lima is five hours behind UTC all year; the 28th and 29th of July are holidays."""
    lima = calendar(
        "America/Lima", WEEKDAYS | {"moves": AUCTION},
        holidays=[{"date": "2026-07-28", "name": "Fiestas Patrias"}, {"date": "2026-07-29", "name": "Fiestas Patrias"}],
    )  # fmt: skip
    assert times(lima, "2026-07-24 00:00", "2026-08-01 00:00") == [
        ["07-24 14:00:00", "07-24 15:00:00"],
        ["07-27 14:00:00", "07-27 15:00:00"],
        ["07-30 14:00:00", "07-30 15:00:00"],
        ["07-31 14:00:00", "07-31 15:00:00"],
    ]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-03-07", ["03-07 06:30:00", "03-07 07:30:00", "03-07 09:00:00"]),  # winter: UTC-5
        ("2026-03-08", ["03-08 06:30:00", "03-08 07:30:00", "03-08 08:00:00"]),  # 2:30 does not occur: 3:30 summer time
        ("2026-03-09", ["03-09 05:30:00", "03-09 06:30:00", "03-09 08:00:00"]),  # summer: UTC-4
        ("2026-11-01", ["11-01 05:30:00", "11-01 07:30:00", "11-01 09:00:00"]),  # 1:30 occurs twice: the first
        ("2026-11-02", ["11-02 06:30:00", "11-02 07:30:00", "11-02 09:00:00"]),
    ],
)
def test_new_york_changes_its_clocks(day: str, expected: list[str]) -> None:
    moves = [
        {"at": "01:30", "phase": "pre_open"},
        {"at": "02:30", "phase": "call"},
        {"at": "04:00", "uncross": "closed"},
    ]
    york = calendar("America/New_York", DAILY | {"moves": moves})
    assert times(york, f"{day} 05:00", f"{day} 23:00")[0] == expected


def test_moves_around_a_missing_hour_stay_in_order() -> None:
    moves = [
        {"at": "02:50", "phase": "call"},  # does not occur: 3:50 summer time
        {"at": "03:10", "uncross": "closed"},  # would be before it
    ]
    york = calendar("America/New_York", DAILY | {"moves": moves})
    assert times(york, "2026-03-08 05:00", "2026-03-08 23:00") == [["03-08 07:50:00", "03-08 07:50:01"]]


def test_a_cycle_counts_elapsed_time_through_a_change_of_clocks() -> None:
    cycle = [{"after": 0, "phase": "call"}, {"after": 600, "uncross": "continuous"}]
    york = calendar("America/New_York", DAILY | {"from": "00:00", "to": "04:00", "every": 1_800, "cycle": cycle})
    spring = rounds(york, ns("2026-03-08 04:00"), ns("2026-03-08 20:00"))
    autumn = rounds(york, ns("2026-11-01 03:00"), ns("2026-11-01 20:00"))
    assert len([r for r in spring if len(r) == 2]) == 6  # three hours
    assert len([r for r in autumn if len(r) == 2]) == 10  # five hours
    assert [entry.phase for entry in spring[-1]] == [Phase.CLOSED]


def test_a_round_is_whole() -> None:
    """What begins before the end is told to its own end; what began before the start but has not ended, too."""
    lima = calendar("America/Lima", DAILY | {"moves": AUCTION})
    assert times(lima, "2026-05-04 14:30", "2026-05-04 14:31") == [["05-04 14:00:00", "05-04 15:00:00"]]
    assert times(lima, "2026-05-04 13:59", "2026-05-04 14:01") == [["05-04 14:00:00", "05-04 15:00:00"]]
    assert times(lima, "2026-05-04 15:01", "2026-05-05 13:59") == []


def test_the_phase_that_is_meant() -> None:
    moves = [
        {"at": "08:00", "phase": "pre_open"},
        {"at": "09:00", "phase": "call"},
        {"at": "10:00", "uncross": "continuous"},
        {"at": "15:00", "phase": "closed"},
    ]
    lima = calendar("America/Lima", WEEKDAYS | {"moves": moves})
    for at, phase in [
        ("2026-05-04 12:59", Phase.CLOSED),
        ("2026-05-04 13:00", Phase.PRE_OPEN),
        ("2026-05-04 14:59", Phase.CALL),
        ("2026-05-04 15:00", Phase.CONTINUOUS),
        ("2026-05-04 19:59", Phase.CONTINUOUS),
        ("2026-05-04 20:00", Phase.CLOSED),
        ("2026-05-10 12:00", Phase.CLOSED),  # Sunday
    ]:
        assert phase_at(lima, ns(at)) is phase, at


def test_a_random_end_and_the_end_of_the_day_are_entries_of_their_own() -> None:
    moves = [AUCTION[0], EARLY | {"random_seconds": 20}, END]
    lima = calendar("America/Lima", WEEKDAYS | {"moves": moves})
    (auction, end) = rounds(lima, ns("2026-05-04 00:00"), ns("2026-05-05 00:00"))
    assert [(utc(entry.due_ns), entry.random_ns, entry.day_end) for entry in (*auction, *end)] == [
        ("05-04 14:00:00", 0, False),
        ("05-04 15:00:00", 20 * 10**9, False),
        ("05-04 15:00:20", 0, True),
    ]
    assert phase_at(lima, ns("2026-05-04 16:00")) is Phase.CLOSED
    noon = {"at": "09:30", "day_end": True}
    lima = calendar("America/Lima", WEEKDAYS | {"moves": [AUCTION[0], noon, AUCTION[1]]})
    assert phase_at(lima, ns("2026-05-04 14:45")) is Phase.CALL, "the end of a day moves no phase"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"time_zone": "America/Atlantis"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"sessions": [WEEKDAYS]}, "sessions[0]"),
        ({"sessions": [{"days": [], "moves": AUCTION}]}, "sessions[0].days"),
        ({"sessions": [WEEKDAYS | {"moves": AUCTION[::-1]}]}, "sessions[0].moves"),
        ({"sessions": [WEEKDAYS | {"moves": AUCTION[:1]}]}, "sessions[0].moves"),
        ({"sessions": [WEEKDAYS | {"moves": [{"at": "09:00"}]}]}, "sessions[0].moves[0]"),
        ({"sessions": [WEEKDAYS | {"moves": [{"at": "09:00", "phase": "continuous"}]}]}, "sessions[0].moves[0]"),
        ({"sessions": [WEEKDAYS | {"moves": AUCTION, "every": 60}]}, "sessions[0]"),
        ({"sessions": [WEEKDAYS | {"cycle": [{"after": 0, "phase": "call"}]}]}, "sessions[0]"),
        ({"sessions": [CYCLING | {"from": "09:00", "to": "08:00"}]}, "sessions[0].to"),
        ({"sessions": [CYCLING]}, "sessions[0].cycle[0]"),
        ({"sessions": [WEEKDAYS | {"moves": [*AUCTION, {"at": "11:00"}]}]}, "sessions[0].moves[2]"),
        ({"sessions": [WEEKDAYS | {"moves": [*AUCTION, RANDOM | {"phase": "halted"}]}]}, "sessions[0].moves[2]"),
        ({"sessions": [WEEKDAYS | {"moves": [AUCTION[0], EARLY, END]}]}, "sessions[0].moves[1].random_seconds"),
        ({"sessions": [CYCLING | {"cycle": CROWDED}]}, "sessions[0].cycle[1].random_seconds"),
    ],
)  # fmt: skip
def test_a_calendar_that_cannot_be_followed(change: dict[str, Any], key: str) -> None:
    good = {"version": 1, "time_zone": "America/Lima", "sessions": [WEEKDAYS | {"moves": AUCTION}]}
    with pytest.raises(CalendarError) as refused:
        check(msgspec.convert(good | change, Calendar, strict=True))
    assert refused.value.key == key, refused.value
