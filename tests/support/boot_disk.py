"""tests/guests/boot_sectors, assembled: the floppy that boots a small DOS, and a BIOS ROM that has it inside.

ROM, 128 KiB: E000:0000  the floppy, shortened      F000:C000  the BIOS, to the reset vector at its end
"""

from pathlib import Path
from random import Random

from tests.support import floppy
from tests.support.guest_programs import PROGRAMS, assemble_flat

SOURCES = PROGRAMS / "boot_sectors"
KERNEL = "KERNEL.SYS"

_ROM_BYTES, _BIOS_BYTES = 128 << 10, 16 << 10
_BIOS_START, _RESET_VECTOR, _BOOT_SECTOR, _PROGRAM = 0xC000, 0xFFF0, 0x7C00, 0x100


def files(directory: Path) -> dict[str, bytes]:
    """What is on the floppy, by name."""
    parts = sorted((SOURCES / "kernel").glob("*.S"), key=lambda path: (path.name != "start.S", path.name))
    return {
        "HELLO.COM": assemble_flat([SOURCES / "hello.S"], directory, origin=_PROGRAM),
        KERNEL: assemble_flat(parts, directory, origin=0),
        "WAITER.COM": assemble_flat([SOURCES / "waiter.S"], directory, origin=_PROGRAM),
    }


def boot_floppy(content: dict[str, bytes], directory: Path, rng: Random) -> bytes:
    """A shortened floppy with our boot sector and these files."""
    return floppy.floppy(assemble_flat([SOURCES / "loader.S"], directory, origin=_BOOT_SECTOR), content, rng)


def rom_with(image: bytes, directory: Path) -> bytes:
    """A BIOS ROM that boots the floppy in it."""
    parts = sorted(SOURCES.glob("bios*.S"))
    bios = assemble_flat(parts, directory, origin=_BIOS_START, places={".reset": _RESET_VECTOR})
    room = _ROM_BYTES - _BIOS_BYTES
    assert len(bios) == _BIOS_BYTES and len(image) <= room, (len(bios), len(image))
    return image.ljust(room, b"\0") + bios
