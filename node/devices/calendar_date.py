"""Seconds since 1970 and the Gregorian calendar, both ways, for any integers.

The clock chip's registers hold whatever a guest writes; months and days out of range carry over into the next field,
as they do in the arithmetic, and no value is an error.
"""

from typing import NamedTuple

DAY = 86_400


class DateTime(NamedTuple):
    year: int
    month: int  # 1-12
    day: int  # 1-31
    weekday: int  # 1 = Sunday, as the clock chip counts
    hour: int
    minute: int
    second: int


def from_seconds(seconds: int) -> DateTime:
    """The date and time `seconds` after 1970-01-01 00:00 (before it, if negative)."""
    days, second = divmod(seconds, DAY)
    era, day_of_era = divmod(days + 719_468, 146_097)  # eras of 400 years beginning on 0000-03-01
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)  # counted from 1 March
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = era * 400 + year_of_era + (1 if month <= 2 else 0)
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    return DateTime(year, month, day, (days + 4) % 7 + 1, second // 3600, second // 60 % 60, second % 60)


def to_seconds(*, year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """The inverse of `from_seconds`; fields out of range carry over."""
    carry, month_index = divmod(month - 1, 12)
    year += carry
    if month_index < 2:
        year -= 1
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month_index + 10) % 12) + 2) // 5
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    days = era * 146_097 + day_of_era - 719_468 + day - 1
    return days * DAY + hour * 3600 + minute * 60 + second
