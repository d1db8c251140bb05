"""`limosa boot --debugcon`: what a BIOS ROM writes to ports, seen outside."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import native_cache

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

# MOV AL, … and OUT …, AL: "hi" to a debug console, progress codes 5A and A5, and the end with value 3
PROGRAM = bytes.fromhex("b0 68 e6 e9 b0 69 e6 e9 b0 5a e6 80 b0 a5 e6 80 b0 03 e6 f4 eb fe")
RESET_VECTOR = bytes.fromhex("ea 00 00 00 f0")  # JMP F000:0000


def test_ports_bytes_are_shown_or_kept(tmp_path: Path) -> None:
    native_cache.share_with(tmp_path)
    rom = tmp_path / "rom"
    rom.write_bytes(PROGRAM.ljust(0xFFF0, b"\xff") + RESET_VECTOR.ljust(16, b"\0"))
    command = [sys.executable, "-m", "node.foreground", "--state", str(tmp_path), "--bios", str(rom)]
    options = ["--exit-port", "0xf4", "--debugcon", "0xe9", "--debugcon", f"0x80,{tmp_path / 'codes'}"]
    done = subprocess.run(
        [*command, *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=500, check=False,
        cwd=native_cache.ROOT,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3 << 1 | 1, b"")
    assert done.stderr.endswith(b"hi")
    assert (tmp_path / "codes").read_bytes() == b"\x5a\xa5"
