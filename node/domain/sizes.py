"""Memory sizes as people write them: 4096, 640K, 128M, 2G; and how much memory a machine may have."""

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
MEMORY_BYTES_MIN = 1 << 20
MEMORY_BYTES_MAX = 3 << 30  # below the PC's hole for devices under 4 GiB


class BadSize(ValueError):
    """A text that is no size, or a size that no machine has."""


def parse(text: str) -> int:
    """Bytes; the suffixes are powers of 1024."""
    unit = text[-1:].upper() if text[-1:].isalpha() else ""
    digits = text[: len(text) - len(unit)]
    if unit not in UNITS or not (digits.isascii() and digits.isdecimal()):
        raise BadSize(f"{text!r} is no size; 128M, 2G or a number of bytes is")
    return int(digits) * UNITS[unit]


def check_memory(size: int) -> None:
    """Raise BadSize unless a machine may have so much memory."""
    if not MEMORY_BYTES_MIN <= size <= MEMORY_BYTES_MAX:
        raise BadSize(f"memory of {size} bytes is out of range: 1M to {MEMORY_BYTES_MAX >> 30}G is possible")
    if size % 4096:
        raise BadSize(f"memory of {size} bytes is not a whole number of 4096-byte pages")
