"""Builds the measured programs: `python -m tests.benchmarks.cpu.build` writes guest.elf, the same bytes each time.

The kernel is the built-in guest's (node/guests/kernel), under other workloads. Two files use registers that the kernel
does not: the x87's and SSE2's. All others, and with them all that runs where the CPU has no SSE2, are i686 code.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from node.guests.build import BUILT_WITH, FLAGS, BuildFailed, compiler_version
from node.guests.build import SOURCES as KERNEL

SOURCES = Path(__file__).resolve().parent / "guest"
IMAGE = Path(__file__).resolve().parent / "guest.elf"

KERNEL_UNITS = (
    *("area.c", "boot.c", "finish.c", "interrupts.c", "main.c", "memory.c", "options.c", "paging.c", "print.c"),
    *("segments.c", "serial.c", "sha256.c", "sources.c", "start.S", "text.c", "timer.c", "vectors.S"),
)
GENERAL_REGISTERS_ONLY = "-mgeneral-regs-only"
UNIT_FLAGS = {  # instead of GENERAL_REGISTERS_ONLY
    "matrix_x87.c": ("-mno-sse", "-mfpmath=387"),
    "matrix_sse2.c": ("-msse2", "-mfpmath=sse"),
}


def units() -> list[Path]:
    """What is compiled, in the order in which it is linked."""
    own = sorted(path for path in SOURCES.iterdir() if path.suffix in {".c", ".S"})
    return [KERNEL / name for name in KERNEL_UNITS] + own


def sources_sha256() -> str:
    """One digest over all that goes into the image: units, headers, the linker's script, flags."""
    digest = hashlib.sha256(repr((FLAGS, sorted(UNIT_FLAGS.items()))).encode())
    others = [*KERNEL.glob("*.h"), *SOURCES.glob("*.h"), KERNEL / "kernel.ld"]
    for path in sorted([*units(), *others], key=lambda path: (path.parent.name, path.name)):
        content = path.read_bytes()
        digest.update(f"\n{path.parent.name}/{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def flags_of(unit: Path) -> list[str]:
    common = [flag for flag in FLAGS if flag != GENERAL_REGISTERS_ONLY]
    return [*common, *UNIT_FLAGS.get(unit.name, (GENERAL_REGISTERS_ONLY,)), "-iquote", str(KERNEL)]


def build(target: Path, compiler: str = "gcc") -> None:
    """Compile and link the programs into `target`."""
    define = f'-DSOURCES_SHA256="{sources_sha256()}"'
    with tempfile.TemporaryDirectory() as directory:
        objects = []
        for unit in units():
            objects.append(str(Path(directory) / f"{unit.name}.o"))
            _run([compiler, *flags_of(unit), define, "-c", "-o", objects[-1], unit.name], unit.parent)
        _run([compiler, *FLAGS, "-T", "kernel.ld", "-o", str(target.resolve()), *objects], KERNEL)


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(done.stderr)


if __name__ == "__main__":
    build(IMAGE)
    print(f"{IMAGE}: {IMAGE.stat().st_size} bytes", file=sys.stderr)
    if compiler_version() != BUILT_WITH:
        print(f"built with {compiler_version()}, the built-in guest with {BUILT_WITH}", file=sys.stderr)
