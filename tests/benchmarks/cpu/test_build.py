"""The committed image of the measured programs: built from the sources in the tree, and reproducible."""

from pathlib import Path

import pytest

from node.boot.elf import read_elf32
from node.boot.multiboot import is_multiboot
from node.guests.build import BUILT_WITH, compiler_version
from tests.benchmarks.cpu import build
from tests.support.guest_programs import require_assembler


def test_the_image_was_built_from_the_sources_in_the_tree() -> None:
    """Holds without a compiler. If it fails: `python -m tests.benchmarks.cpu.build`."""
    assert f"limosa-guest-sources sha256:{build.sources_sha256()}".encode() in build.IMAGE.read_bytes()


def test_the_image_is_a_multiboot_kernel_that_leaves_room_for_page_tables() -> None:
    image = build.IMAGE.read_bytes()
    assert is_multiboot(image)
    assert read_elf32(image).end < 3 << 20


def test_a_new_build_is_the_same_bytes(tmp_path: Path) -> None:
    require_assembler()
    build.build(tmp_path / "one.elf")
    build.build(tmp_path / "two.elf")
    assert (tmp_path / "one.elf").read_bytes() == (tmp_path / "two.elf").read_bytes()
    if compiler_version() != BUILT_WITH:
        pytest.skip(f"the image was built with {BUILT_WITH}, here is {compiler_version()}")
    assert (tmp_path / "one.elf").read_bytes() == build.IMAGE.read_bytes()


def test_only_the_floating_point_programs_use_more_than_general_registers() -> None:
    loose = [unit.name for unit in build.units() if build.GENERAL_REGISTERS_ONLY not in build.flags_of(unit)]
    assert loose == ["matrix_sse2.c", "matrix_x87.c"]
