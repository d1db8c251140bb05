"""Seconds and the Gregorian calendar against Python's own."""

import random
from datetime import UTC, datetime, timedelta

from node.devices.calendar_date import from_seconds, to_seconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_every_date_agrees_with_the_calendar_both_ways() -> None:
    rng = random.Random(8)
    days = [rng.randint(-719_000, 2_900_000) for _ in range(5000)] + [-1, 0, 59, 60, 11_016, 11_017]
    for day in days:
        moment = EPOCH + timedelta(days=day, seconds=rng.randrange(86_400))
        seconds = int((moment - EPOCH).total_seconds())
        date = from_seconds(seconds)
        assert date[:3] == (moment.year, moment.month, moment.day)
        assert date[4:] == (moment.hour, moment.minute, moment.second)
        assert date.weekday == moment.isoweekday() % 7 + 1
        fields = date._asdict()
        del fields["weekday"]
        assert to_seconds(**fields) == seconds


def test_fields_out_of_range_carry_over() -> None:
    def at(year: int, month: int, day: int, hour: int = 0) -> int:
        return to_seconds(year=year, month=month, day=day, hour=hour, minute=0, second=0)

    assert at(2023, 13, 1) == at(2024, 1, 1)
    assert at(2024, 0, 1) == at(2023, 12, 1)
    assert at(2024, 2, 30) == at(2024, 3, 1)
    assert at(2024, 3, 0, 25) == at(2024, 3, 1) - 86_400 + 25 * 3600
