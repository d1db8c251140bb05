"""What translating a region gives, and its form in files and on the way from a compiler's process."""

import struct
from dataclasses import dataclass

_HEAD = struct.Struct("<III")  # entry, number of Ops, bytes of each


@dataclass(frozen=True, slots=True)
class Translation:
    """Code that runs wherever it is copied to, and the Ops that go into the region's data."""

    code: bytes
    entry: int  # offset in `code`
    operations: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """None: it cannot be translated, or (`lost`) the process that tried has not come through it."""

    translation: Translation | None
    elsewhere_ns: int = 0  # CPU time of other processes than this one; besides that,
    beginning_ns: int = 0  # what such a process took to begin
    lost: bool = False


def encoded(translation: Translation) -> bytes:
    operations = translation.operations
    size = len(operations[0]) if operations else 0
    body = b"".join(operations) + translation.code
    return _HEAD.pack(translation.entry, len(operations), size) + body


def decoded(content: bytes) -> Translation:
    entry, count, size = _HEAD.unpack_from(content)
    at = _HEAD.size
    operations = tuple(content[at + i * size : at + (i + 1) * size] for i in range(count))
    return Translation(content[at + count * size :], entry, operations)
