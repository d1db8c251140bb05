"""How the clock chip writes numbers: BCD or binary, 12 or 24 hours, as register B says; and when an alarm matches."""

from node.devices.calendar_date import DAY

BINARY, HOURS_24 = 0x04, 0x02  # register B
PM = 0x80
ANY = 0xC0  # alarm bytes 11xxxxxx match every value


def encode(value: int, b: int) -> int:
    return value if b & BINARY else value // 10 << 4 | value % 10


def decode(byte: int, b: int) -> int:
    return byte if b & BINARY else (byte >> 4) * 10 + (byte & 0xF)


def encode_hour(hour: int, b: int) -> int:
    if b & HOURS_24:
        return encode(hour, b)
    return encode((hour + 11) % 12 + 1, b) | (PM if hour >= 12 else 0)


def decode_hour(byte: int, b: int) -> int:
    if b & HOURS_24:
        return decode(byte, b)
    return decode(byte & ~PM, b) % 12 + (12 if byte & PM else 0)


def seconds_to_alarm(start: int, *, hour: int, minute: int, second: int, b: int) -> int | None:
    """Seconds from second-of-day `start` to the first that matches the alarm bytes (0: `start` does); None: never."""
    wanted_hour = None if hour >= ANY else decode_hour(hour, b)
    wanted_minute = None if minute >= ANY else decode(minute, b)
    wanted_second = None if second >= ANY else decode(second, b)
    if (wanted_hour or 0) > 23 or (wanted_minute or 0) > 59 or (wanted_second or 0) > 59:
        return None
    at = start
    while at < start + 2 * DAY:  # skips a whole hour or minute at a time: at most some 150 steps
        if wanted_hour is not None and at % DAY // 3600 != wanted_hour:
            at += 3600 - at % 3600
        elif wanted_minute is not None and at // 60 % 60 != wanted_minute:
            at += 60 - at % 60
        elif wanted_second is not None and at % 60 != wanted_second:
            at += 1
        else:
            return at - start
    return None
