"""The small guest programs in tests/guests: assembled here, run on any machine that takes a Multiboot kernel."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parent.parent / "guests"

_FLAGS = (
    *("-std=gnu11", "-O1", "-m32", "-march=i686", "-mgeneral-regs-only", "-ffreestanding", "-fno-pic", "-fno-pie"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer", "-fcf-protection=none"),
    *("-fno-strict-aliasing", "-fno-delete-null-pointer-checks", "-fno-toplevel-reorder", "-fno-ident"),
    *("-fno-inline", "-fno-tree-loop-distribute-patterns"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-array-bounds", "-nostdlib", "-static", "-no-pie"),
    *("-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-z,max-page-size=4096", "-Wl,--strip-all"),
)


def names() -> list[str]:
    """The programs: one directory each, with a `main.c`."""
    return sorted(path.parent.name for path in PROGRAMS.glob("*/main.c"))


def rom_names() -> list[str]:
    """The programs that are BIOS ROMs: one directory each, with a `rom.S`."""
    return sorted(path.parent.name for path in PROGRAMS.glob("*/rom.S"))


def runs_on_qemu(name: str) -> bool:
    """Not those whose header says otherwise: QEMU's TCG leaves out some of the processor's checks."""
    return " * not on QEMU\n" not in (PROGRAMS / name / "main.c").read_text()


def assemble(name: str, directory: Path) -> bytes:
    """The Multiboot ELF of program `name`."""
    target = directory / f"{name}.elf"
    library = PROGRAMS / "lib"
    sources = [library / "start.S", library / "check.c", PROGRAMS / name / "main.c"]
    _gcc(*_FLAGS, "-T", str(library / "program.ld"), "-o", str(target), *map(str, sources))
    return target.read_bytes()


def assemble_rom(name: str, directory: Path) -> bytes:
    """The 64 KiB ROM image of program `name`, which is one `rom.S`."""
    return assemble_flat([PROGRAMS / name / "rom.S"], directory, origin=0)


def assemble_flat(
    sources: Sequence[Path], directory: Path, *, origin: int, places: Mapping[str, int] | None = None
) -> bytes:
    """A program without a file format, as it lies in memory from `origin` on; `places` are sections elsewhere."""
    target = directory / f"{sources[0].stem}.bin"
    flags = ("-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,--oformat=binary", "-Wl,-e,0")
    sections = [f"-Wl,--section-start={name}={place:#x}" for name, place in (places or {}).items()]
    _gcc(*flags, f"-Wl,-Ttext={origin:#x}", *sections, "-o", str(target), *map(str, sources))
    return target.read_bytes()


def require_assembler() -> None:
    """Skip the calling test where there is no gcc that makes 32-bit x86 code."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    probe = ["gcc", "-m32", "-ffreestanding", "-S", "-x", "c", "/dev/null", "-o", "-"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("gcc cannot make 32-bit x86 code here")


def _gcc(*arguments: str) -> None:
    done = subprocess.run(["gcc", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
