"""Reads newc archives for tests; shares nothing with the writer, and is strict where the kernel is lenient."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """One entry as found in the archive."""

    name: str
    inode: int
    mode: int
    uid: int
    gid: int
    links: int
    mtime: int
    rdev: tuple[int, int]
    data: bytes


def read_newc(archive: bytes) -> Iterator[Member]:
    """The members up to the trailer; anything unexpected is an AssertionError."""
    at = 0
    while True:
        assert at % 4 == 0 and archive[at : at + 6] == b"070701", f"no header at {at}"
        field = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        inode, mode, uid, gid, links, mtime, size, _, _, major, minor, name_size, check = field
        assert check == 0
        name = archive[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0") and b"\0" not in name[:-1]
        at = _padded(archive, at + 110 + name_size)
        data = archive[at : at + size]
        assert len(data) == size
        at = _padded(archive, at + size)
        if name == b"TRAILER!!!\0":
            assert size == 0 and not any(archive[at:]) and len(archive) % 512 == 0
            return
        yield Member(name[:-1].decode(), inode, mode, uid, gid, links, mtime, (major, minor), data)


def _padded(archive: bytes, at: int) -> int:
    end = -(-at // 4) * 4
    assert not any(archive[at:end]), "padding is not zero"
    return end
