"""Calendar dates as ISO text ("2026-05-01"), which compares as the days follow each other."""

from __future__ import annotations

import re

DAY_NS = 24 * 3600 * 10**9
_DATE = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", re.ASCII)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_date(text: str) -> bool:
    """A day that there is: 2024-02-29 is one, 2023-02-29 is not."""
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    year, month, day = (int(part) for part in found.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= _DAYS[month - 1] - (month == 2 and not leap)


def date_of(ts_ns: int) -> str:
    """The day in UTC of a venue time in ns from 1970.

    Source: days to civil dates in eras of 400 years that begin in March, so that the leap day comes last (H. Hinnant,
    "chrono-Compatible Low-Level Date Algorithms").
    """
    days = ts_ns // DAY_NS + 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * from_march + 2) // 5 + 1
    month = from_march + 3 if from_march < 10 else from_march - 9
    return f"{era * 400 + year_of_era + (month <= 2):04d}-{month:02d}-{day:02d}"
