"""BIOS ROM images."""

import pytest

from node.boot.bios import RomWindow, load_bios, rom_windows
from node.boot.entry import BootError

KIB = 1024


def rom(size: int) -> bytes:
    return bytes(size - 16) + b"\xea\x5b\xe0\x00\xf0" + bytes(11)


@pytest.mark.parametrize("size", [4 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 16384 * KIB])
def test_a_rom_starts_at_the_reset_vector(size: int) -> None:
    assert load_bios(rom(size)).mode == "reset"


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (b"", "a multiple of 4096 bytes long, not 0"),
        (rom(64 * KIB)[1:], "not 65535"),
        (rom(17 << 20), "at most 16 MiB"),
        (bytes(64 * KIB), "no reset vector"),
        (b"\xff" * 64 * KIB, "no reset vector"),
    ],
)
def test_what_is_no_rom_is_refused(image: bytes, sentence: str) -> None:
    with pytest.raises(BootError, match=sentence):
        load_bios(image)


def test_a_large_rom_shows_its_last_128_kib_below_one_mebibyte() -> None:
    assert rom_windows(256 * KIB) == (
        RomWindow(0xE0000, 128 * KIB, 128 * KIB),
        RomWindow(0xFFFC_0000, 0, 256 * KIB),
    )


def test_a_small_rom_ends_at_both_tops() -> None:
    assert [window.gpa + window.length for window in rom_windows(64 * KIB)] == [0x10_0000, 1 << 32]
