"""The clock chip's number formats, and alarms against a second-by-second search."""

import random

import pytest

from node.devices.rtc_format import ANY, decode, decode_hour, encode, encode_hour, seconds_to_alarm

FORMATS = [0x00, 0x02, 0x04, 0x06]


@pytest.mark.parametrize("b", FORMATS)
def test_every_value_survives_its_format(b: int) -> None:
    assert [decode(encode(value, b), b) for value in range(100)] == list(range(100))
    assert [decode_hour(encode_hour(hour, b), b) for hour in range(24)] == list(range(24))


def test_formats_are_the_chips() -> None:
    assert [encode(59, b) for b in FORMATS] == [0x59, 0x59, 59, 59]
    assert [encode_hour(0, b) for b in FORMATS] == [0x12, 0x00, 12, 0]
    assert [encode_hour(23, b) for b in FORMATS] == [0x91, 0x23, 0x80 | 11, 23]


@pytest.mark.parametrize("b", FORMATS)
def test_an_alarm_comes_at_the_first_second_that_shows_its_bytes(b: int) -> None:
    rng = random.Random(b)
    for _ in range(6):
        alarm = [rng.choice([ANY, 0xFF, encode_hour(rng.randrange(24), b)])]
        alarm += [rng.choice([ANY, 0xFF, encode(rng.randrange(60), b)]) for _ in range(2)]
        start = rng.randrange(86_400)
        distance = seconds_to_alarm(start, hour=alarm[0], minute=alarm[1], second=alarm[2], b=b)
        shown = [encode_hour(start // 3600, b), encode(start // 60 % 60, b), encode(start % 60, b)]
        slow = 0
        while not all(wanted >= ANY or wanted == byte for wanted, byte in zip(alarm, shown, strict=True)):
            slow += 1
            at = (start + slow) % 86_400
            shown = [encode_hour(at // 3600, b), encode(at // 60 % 60, b), encode(at % 60, b)]
            assert slow < 86_400
        assert distance == slow
