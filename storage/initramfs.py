"""Writes initramfs archives in cpio's "newc" format, as Linux' init/initramfs.c reads them.

    header (110 bytes): magic 070701, 13 fields of 8 hex digits | name NUL | pad to 4 | data | pad to 4
    … entries … | TRAILER!!! | pad to 512

The archive is a pure function of the tree: entries in the order of their names' bytes, times zero, owner root, inode
numbers counted from 1. Device nodes are entries like any other, so building one needs no root. A tree that the kernel
would unpack incompletely (an entry without its directory, an empty name) is refused here, where it can be told.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass

NAME_BYTES_MAX = 4095  # Linux' PATH_MAX less the NUL; a longer name or link target is skipped by the kernel in silence
FILE_BYTES_MAX = 0xFFFF_FFFF
TRAILER = "TRAILER!!!"


class InvalidTree(ValueError):
    """A tree that newc cannot hold or that Linux would not unpack as meant."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory; every entry below one needs it in the tree."""

    permissions: int = 0o755


@dataclass(frozen=True, slots=True)
class File:
    """A regular file and its bytes."""

    data: bytes
    permissions: int = 0o644


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link to `target`."""

    target: str


@dataclass(frozen=True, slots=True)
class CharDevice:
    """A character device node."""

    major: int
    minor: int
    permissions: int = 0o600


Entry = Directory | File | Symlink | CharDevice


def write_newc(tree: Mapping[str, Entry]) -> bytes:
    """The archive of `tree`, whose keys are paths relative to the root ("dev/console")."""
    named = sorted((path.encode(), path, entry) for path, entry in tree.items())
    out = bytearray()
    for inode, (name, path, entry) in enumerate(named, start=1):
        _check(path, name, entry, tree)
        out += _entry(inode, name, entry)
    out += _record(TRAILER.encode(), inode=0, mode=0, links=1, data=b"", device=(0, 0))
    return bytes(out) + bytes(-len(out) % 512)


def _entry(inode: int, name: bytes, entry: Entry) -> bytes:
    mode, data, device, links = 0, b"", (0, 0), 1
    match entry:
        case Directory(permissions):
            mode, links = stat.S_IFDIR | permissions, 2
        case File(data, permissions):
            mode = stat.S_IFREG | permissions
        case Symlink(target):
            mode, data = stat.S_IFLNK | 0o777, target.encode()
        case CharDevice(major, minor, permissions):
            mode, device = stat.S_IFCHR | permissions, (major, minor)
    return _record(name, inode=inode, mode=mode, links=links, data=data, device=device)


def _record(name: bytes, *, inode: int, mode: int, links: int, data: bytes, device: tuple[int, int]) -> bytes:
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name) + 1, 0)  # uid gid … mtime … checksum: 0
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _check(path: str, name: bytes, entry: Entry, tree: Mapping[str, Entry]) -> None:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or path == TRAILER:
        raise InvalidTree(f"{path!r} cannot be a path in an initramfs")
    if len(name) > NAME_BYTES_MAX:
        raise InvalidTree(f"the path {path[:40]!r}… is longer than {NAME_BYTES_MAX} bytes")
    if len(parts) > 1 and not isinstance(tree.get("/".join(parts[:-1])), Directory):
        raise InvalidTree(f"{path!r} lies in a directory that the tree does not have")
    match entry:
        case File(data, _) if len(data) > FILE_BYTES_MAX:
            raise InvalidTree(f"{path!r} is larger than 4 GiB")
        case Symlink(target) if not 0 < len(target.encode()) <= NAME_BYTES_MAX or "\0" in target:
            raise InvalidTree(f"{path!r} has a target that no link can have")
        case _:
            pass
