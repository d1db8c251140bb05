"""The committed kernel image: built from the sources beside it, and reproducible."""

import shutil
import subprocess
from pathlib import Path

import pytest

from node.boot.elf import read_elf32
from node.boot.multiboot import is_multiboot
from node.guests import build
from node.guests.builtin import KERNEL, builtin_kernel


def test_the_image_was_built_from_the_sources_in_the_tree() -> None:
    """Holds without a compiler: the image carries the digest. If it fails: `python -m node.guests.build`."""
    assert f"limosa-guest-sources sha256:{build.sources_sha256()}".encode() in builtin_kernel()


def test_the_image_is_a_small_multiboot_kernel() -> None:
    image = builtin_kernel()
    assert is_multiboot(image)
    assert len(image) < 64 << 10
    assert read_elf32(image).end < 4 << 20


def test_a_new_build_is_the_same_bytes(tmp_path: Path) -> None:
    require_compiler(tmp_path)
    build.build(tmp_path / "one.elf")
    build.build(tmp_path / "two.elf")
    assert (tmp_path / "one.elf").read_bytes() == (tmp_path / "two.elf").read_bytes()
    if build.compiler_version() != build.BUILT_WITH:
        pytest.skip(f"the image was built with {build.BUILT_WITH}, here is {build.compiler_version()}")
    assert (tmp_path / "one.elf").read_bytes() == KERNEL.read_bytes()


def test_a_build_that_fails_tells_in_the_compilers_words(tmp_path: Path) -> None:
    require_compiler(tmp_path)
    with pytest.raises(build.BuildFailed, match="no-such-directory"):
        build.build(tmp_path / "no-such-directory" / "guest.elf")


def require_compiler(directory: Path) -> None:
    """Skip unless gcc is here and can make 32-bit x86 code."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    command = ["gcc", "-m32", "-march=i686", "-ffreestanding", "-nostdlib", "-c", "-x", "c", "-", "-o"]
    probe = subprocess.run([*command, str(directory / "probe.o")], input=b"int x;", capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("gcc cannot make 32-bit x86 code here")
