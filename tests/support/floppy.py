"""A 3½-inch 1.44 MB floppy with a FAT12 file system, made from a boot sector and files.

    sector 0     boot sector, whose bytes 3 to 61 are the BIOS parameter block
    1, 10        two copies of the FAT, 9 sectors each: 12 bits a cluster, two entries in three bytes
    19           root directory, 224 entries of 32 bytes
    33           cluster 2, 3, …, one sector each

The clusters of a file are dealt out at random, so that nobody reads it without following its chain. The image ends
behind the last sector in use: it is small enough for a ROM, and `padded` makes it whole. The layout is ECMA-107's.
"""

import struct
from collections.abc import Mapping
from random import Random

SECTOR = 512
SECTORS_PER_TRACK, HEADS, CYLINDERS = 18, 2, 80
SECTORS = SECTORS_PER_TRACK * HEADS * CYLINDERS

_RESERVED, _FATS, _SECTORS_PER_FAT, _ROOT_ENTRIES = 1, 2, 9, 224
_ENTRY = 32
_FIRST_DATA = _RESERVED + _FATS * _SECTORS_PER_FAT + _ROOT_ENTRIES * _ENTRY // SECTOR
_FIRST_CLUSTER = 2
_MEDIA = 0xF0
_END_OF_CHAIN = 0xFFF
_ARCHIVE, _LABEL, _LONG_NAME = 0x20, 0x08, 0x0F
_DELETED = 0xE5


def floppy(boot_sector: bytes, files: Mapping[str, bytes], rng: Random) -> bytes:
    """The image, shortened; names are like `KERNEL.SYS`."""
    assert len(boot_sector) == SECTOR and boot_sector[-2:] == b"\x55\xaa"
    chains = _deal([-(-len(content) // SECTOR) for content in files.values()], rng)
    data = bytearray(SECTOR * (max((max(chain) for chain in chains if chain), default=1) - 1))
    directory = bytearray(_decoys())
    for (name, content), chain in zip(files.items(), chains, strict=True):
        directory += _entry(_eleven(name), _ARCHIVE, chain[0] if chain else 0, len(content))
        for number, cluster in enumerate(chain):
            piece = content[number * SECTOR : (number + 1) * SECTOR]
            place = (cluster - _FIRST_CLUSTER) * SECTOR
            data[place : place + len(piece)] = piece
    image = boot_sector[:3] + _parameters() + boot_sector[62:]
    image += _fat(chains) * _FATS + directory.ljust(_ROOT_ENTRIES * _ENTRY, b"\0")
    return image + bytes(data)


def padded(image: bytes) -> bytes:
    """The whole floppy."""
    return image.ljust(SECTORS * SECTOR, b"\xf6")  # what formatting leaves


def _deal(lengths: list[int], rng: Random) -> list[list[int]]:
    """Clusters for files of so many, out of a third more than are needed; no file is in order."""
    needed = sum(lengths)
    clusters = list(range(_FIRST_CLUSTER, _FIRST_CLUSTER + needed + needed // 3 + 1))
    rng.shuffle(clusters)
    chains = []
    for length in lengths:
        chain, clusters = clusters[:length], clusters[length:]
        if length > 1 and chain == list(range(chain[0], chain[0] + length)):
            chain.reverse()
        chains.append(chain)
    return chains


def _fat(chains: list[list[int]]) -> bytes:
    entries = {0: 0xF00 | _MEDIA, 1: _END_OF_CHAIN}
    for chain in chains:
        entries |= dict(zip(chain, [*chain[1:], _END_OF_CHAIN], strict=True))
    fat = bytearray(_SECTORS_PER_FAT * SECTOR)
    for cluster, value in entries.items():
        place, shift = cluster * 3 // 2, 4 * (cluster & 1)
        pair = struct.unpack_from("<H", fat, place)[0] | value << shift
        struct.pack_into("<H", fat, place, pair)
    return bytes(fat)


def _parameters() -> bytes:
    """Bytes 3 to 61: maker's name, BIOS parameter block as of DOS 4."""
    head = struct.pack("<8sHBHBHHBH", b"LIMOSA  ", SECTOR, 1, _RESERVED, _FATS, _ROOT_ENTRIES, SECTORS, _MEDIA, 9)
    drive = struct.pack("<HHIIBBB", SECTORS_PER_TRACK, HEADS, 0, 0, 0, 0, 0x29)
    return head + drive + struct.pack("<I11s8s", 0x1107_0214, b"LIMOSA     ", b"FAT12   ")


def _entry(name: bytes, attributes: int, cluster: int, length: int) -> bytes:
    return struct.pack("<11sB10xHHHI", name, attributes, 0x6000, 0x5A21, cluster, length)


def _decoys() -> bytes:
    """What stands before the files in a directory that has been in use: a label, a long name, a file that was deleted,
    and one with nearly the name that is looked for."""
    deleted = bytes([_DELETED]) + b"ERNEL  SYS"
    return (
        _entry(b"LIMOSA     ", _LABEL, 0, 0)
        + _entry(b"AK\0E\0R\0N\0E\0", _LONG_NAME, 0, 0xFFFF_FFFF)
        + _entry(deleted, _ARCHIVE, _FIRST_CLUSTER, SECTOR)
        + _entry(b"KERNEL  SYX", _ARCHIVE, 0, 0)
    )


def _eleven(name: str) -> bytes:
    """As a directory has it: eight and three characters, padded."""
    stem, _, extension = name.partition(".")
    assert len(stem) <= 8 and len(extension) <= 3, name
    return f"{stem:8}{extension:3}".encode("ascii")
