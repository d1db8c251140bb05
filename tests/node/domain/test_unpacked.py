"""A bzImage is unpacked once; what is kept is whole, and a directory that cannot be written costs time only."""

import os
import time
from pathlib import Path

import pytest

from node.boot.entry import BootError
from node.domain.unpacked import SUFFIX, UNUSED_S, kernel_bytes
from tests.support.kernel_images import PACKERS, Load, bzimage, elf32

ELF = elf32([Load(0x100_0000, b"\x90" * 5000)], 0x100_0000)
KERNEL = bzimage(PACKERS["xz"](ELF))


def test_the_second_reader_finds_what_the_first_unpacked(tmp_path: Path) -> None:
    blob = tmp_path / "0123"
    blob.write_bytes(KERNEL)
    elf = kernel_bytes(blob, tmp_path / "kept")
    assert elf == ELF
    assert (tmp_path / "kept" / f"0123{SUFFIX}").read_bytes() == elf
    assert kernel_bytes(blob, tmp_path / "kept") == elf


def test_what_nobody_has_booted_for_a_while_goes_when_another_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for name in ("old", "used", "new"):
        (tmp_path / name).write_bytes(KERNEL)
    long_ago = time.time() - UNUSED_S - 60
    for name in ("old", "used"):
        kernel_bytes(tmp_path / name, kept)
        os.utime(kept / f"{name}{SUFFIX}", (long_ago, long_ago))
    assert kernel_bytes(tmp_path / "used", kept) == ELF
    kernel_bytes(tmp_path / "new", kept)
    assert sorted(p.stem for p in kept.iterdir()) == ["new", "used"]


def test_where_nothing_can_be_kept_it_is_unpacked_each_time(tmp_path: Path) -> None:
    blob = tmp_path / "0123"
    blob.write_bytes(KERNEL)
    (tmp_path / "kept").write_bytes(b"a file in the directory's place")
    for _ in range(2):
        assert kernel_bytes(blob, tmp_path / "kept") == ELF


def test_a_kernel_that_is_no_bzimage_is_given_as_it_is(tmp_path: Path) -> None:
    blob = tmp_path / "0123"
    blob.write_bytes(b"\x7fELF and more")
    assert kernel_bytes(blob, tmp_path / "kept") == b"\x7fELF and more"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0123"]


def test_a_damaged_bzimage_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    blob = tmp_path / "0123"
    blob.write_bytes(KERNEL[:-200])
    with pytest.raises(BootError):
        kernel_bytes(blob, tmp_path / "kept")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0123"]
