"""Builds the guest kernel: `python -m node.guests.build` writes guest.elf, the same bytes each time.

Needs gcc and binutils that can make 32-bit x86 code, and no library or header of any 32-bit system. The image carries a
digest of its sources and of the flags below, so that a test finds a stale image even where there is no compiler.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from node.guests.builtin import KERNEL

SOURCES = Path(__file__).resolve().parent / "kernel"

FLAGS = (
    *("-std=gnu11", "-O2", "-m32", "-march=i686", "-mtune=generic", "-mgeneral-regs-only"),
    *("-ffreestanding", "-fno-pic", "-fno-pie", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
    *("-fno-ident", "-fno-strict-aliasing", "-fcf-protection=none", "-fno-delete-null-pointer-checks"),
    *("-Wall", "-Wextra", "-Werror"),
    *("-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,max-page-size=4096", "-Wl,-z,noexecstack"),
    "-Wl,--strip-all",
)

# What made the committed image: another compiler or linker may produce other bytes.
BUILT_WITH = "gcc (Debian 12.2.0-14+deb12u1) 12.2.0 / GNU ld (GNU Binutils for Debian) 2.40"


class BuildFailed(RuntimeError):
    """The compiler's own words."""


def sources_sha256() -> str:
    """One digest over all sources (names and contents) and the flags."""
    digest = hashlib.sha256(repr(FLAGS).encode())
    for path in sorted(SOURCES.iterdir()):
        content = path.read_bytes()
        digest.update(f"\n{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def build(target: Path, compiler: str = "gcc") -> None:
    """Compile and link the kernel into `target`."""
    units = sorted(path.name for path in SOURCES.iterdir() if path.suffix in {".c", ".S"})
    command = [
        *(compiler, *FLAGS, f'-DSOURCES_SHA256="{sources_sha256()}"', "-T", "kernel.ld"),
        *("-o", str(target.resolve()), *units),
    ]
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(done.stderr)


def compiler_version(compiler: str = "gcc") -> str:
    """The compiler and the linker that it uses, to compare with `BUILT_WITH`."""
    commands = ([compiler, "--version"], [compiler, "-Wl,--version"])
    texts = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]
    return " / ".join(text.splitlines()[0] for text in texts)


if __name__ == "__main__":
    build(KERNEL)
    print(f"{KERNEL}: {KERNEL.stat().st_size} bytes", file=sys.stderr)
    if compiler_version() != BUILT_WITH:
        print(f'now set BUILT_WITH = "{compiler_version()}"', file=sys.stderr)
