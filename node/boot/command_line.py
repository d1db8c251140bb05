"""Kernel command lines as the protocols carry them: bytes with a NUL at the end."""

from node.boot.entry import BootError


def encode_command_line(text: str, *, limit: int, what: str = "the kernel command line") -> bytes:
    """The zero-terminated bytes of `text`, which may have at most `limit` bytes before the NUL."""
    encoded = text.encode()
    if 0 in encoded:
        raise BootError(f"{what} contains a NUL character")
    if len(encoded) > limit:
        raise BootError(f"{what} has {len(encoded)} bytes, and the kernel takes at most {limit}")
    return encoded + b"\0"
