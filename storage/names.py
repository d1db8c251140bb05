"""What may be an image's name and a file's digest: checked before either becomes part of a path.

A name is 1–64 of a–z 0–9 . _ - and starts with a letter or digit, so it can be no path, no hidden file and no option.
A digest is "sha256:" and 64 lower-case hex digits.
"""

import re
from collections.abc import Iterator

from protos.common_pb2 import BlobRef, BootSource
from storage.errors import InvalidRequest

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def checked_name(name: str) -> str:
    """`name` itself, if an image may be called so."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name[:80]!r} is no image name: use 1 to 64 of a-z 0-9 . _ - after a letter or digit")
    return name


def hex_of(digest: str) -> str:
    """The 64 hex digits of a digest."""
    match = _DIGEST.fullmatch(digest)
    if not match:
        raise InvalidRequest(f'{digest[:80]!r} is no digest: it must be "sha256:" and 64 lower-case hex digits')
    return match[1]


def blobs_of(boot: BootSource) -> Iterator[BlobRef]:
    """Every file that a boot source names."""
    match boot.WhichOneof("kind"):
        case "linux":
            yield boot.linux.kernel
            if boot.linux.HasField("initrd"):
                yield boot.linux.initrd
        case "multiboot":
            if boot.multiboot.HasField("kernel"):  # unset: the built-in guest
                yield boot.multiboot.kernel
            yield from boot.multiboot.modules
        case "bios":
            yield boot.bios.rom
        case _:
            raise InvalidRequest("the image does not say what it boots: linux, multiboot or bios")
