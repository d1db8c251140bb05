"""The host's own processor in 32-bit mode as an oracle.

A small program (`host_runner.c`), compiled when tests run, is fed one `Case` after another through pipes.
"""

import platform
import shutil
import struct
import subprocess
from pathlib import Path
from typing import IO

import pytest

from node.ia32.state import ATTR_CODE, ATTR_D, ATTR_DC, ATTR_RW, CS, DS, ES, FS, GS, SS
from tests.support.cpu_case import (
    INITIAL,
    LOCAL_TABLE,
    PAGE_FAULT,
    SETTINGS,
    WINDOW_BYTES,
    Case,
    Outcome,
    Segment,
    Vectors,
)

SOURCE = Path(__file__).with_name("host_runner.c")
FLAGS = (
    *("-m32", "-march=i686", "-O2", "-mgeneral-regs-only", "-ffreestanding", "-fno-pic", "-fno-stack-protector"),
    *("-fcf-protection=none", "-nostdlib", "-static", "-no-pie", "-Wall", "-Wextra", "-Werror"),
    *("-Wl,-e,start", "-Wl,--build-id=none", "-Wl,-z,noexecstack"),
)
STATE = struct.Struct("<20I")
VECTORS = struct.Struct("<128s128s4I")
CODE_BYTES = 16
PAGE_FAULT_ERROR = 7  # present, write, user: bit 4 depends on the host's page-table format
SEGMENTS = (ES, CS, SS, DS, FS, GS)


class HostCpu:
    def __init__(self, directory: Path) -> None:
        """Compile the runner into `directory` and start it; skips the test where that cannot be done."""
        if platform.machine() not in ("x86_64", "i686"):
            pytest.skip(f"the oracle is an x86 processor; this host is {platform.machine()}")
        if shutil.which("gcc") is None:
            pytest.skip("gcc is not installed: the oracle is a small C program")
        program = directory / "host_runner"
        made = subprocess.run(["gcc", *FLAGS, "-o", program, SOURCE], capture_output=True, text=True, timeout=60)
        if made.returncode and "-m32" in made.stderr:
            pytest.skip(f"gcc does not make 32-bit programs: {made.stderr}")
        assert made.returncode == 0, made.stderr
        try:
            self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            pytest.skip(f"the kernel does not run 32-bit programs: {error}")
        self._send(b"".join(_user_desc(i, segment) for i, segment in enumerate(LOCAL_TABLE)))

    def run(self, case: Case) -> Outcome:
        selectors = [SETTINGS[case.setting][seg].selector for seg in SEGMENTS]
        state = STATE.pack(*case.gpr, case.eip, case.eflags, *selectors, 0, 0, 0, case.code_linear)
        state += _pack_vectors(case.vectors or INITIAL)
        self._send(state + case.code[:CODE_BYTES].ljust(CODE_BYTES, b"\0") + case.window)
        words = STATE.unpack(self._receive(STATE.size, case))
        vectors = _unpack_vectors(self._receive(VECTORS.size, case))
        window = self._receive(WINDOW_BYTES, case)
        vector, error, cr2 = words[16:19]
        paged = vector == PAGE_FAULT
        error = error & PAGE_FAULT_ERROR if paged else error
        return Outcome(
            vector,
            error if paged or vector == 13 or vector == 12 else 0,
            words[:8],
            words[8],
            words[9],
            cr2 if paged else 0,
            window,
            vectors,
        )

    def close(self) -> None:
        """The runner ends with its input."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(timeout=10)

    def _send(self, data: bytes) -> None:
        pipe: IO[bytes] | None = self._process.stdin
        assert pipe is not None
        pipe.write(data)
        pipe.flush()

    def _receive(self, length: int, case: Case) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        data = pipe.read(length)
        assert len(data) == length, f"the runner ended ({self._process.wait(timeout=10)}) at {case}"
        return data


def _pack_vectors(v: Vectors) -> bytes:
    st, xmm = (b"".join(value.to_bytes(16, "little") for value in bank) for bank in (v.st, v.xmm))
    return VECTORS.pack(st, xmm, v.mxcsr, v.control, v.status, v.filled)


def _unpack_vectors(data: bytes) -> Vectors:
    st, xmm, mxcsr, control, status, filled = VECTORS.unpack(data)
    banks = [
        tuple(int.from_bytes(bank[i : i + 16], "little") & (1 << bits) - 1 for i in range(0, 128, 16))
        for bank, bits in ((st, 80), (xmm, 128))
    ]
    return Vectors(banks[0], banks[1], mxcsr, control, status, filled)


def _user_desc(number: int, segment: Segment) -> bytes:
    """struct user_desc of modify_ldt: entry, base, limit, and the bits of its type."""
    attr = segment.attr
    contents = 2 if attr & ATTR_CODE else 1 if attr & ATTR_DC else 0
    bits = (1 if attr & ATTR_D else 0) | contents << 1 | (0 if attr & ATTR_RW else 8)
    return struct.pack("<4I", number, segment.base, segment.limit, bits)
