"""Runs what our loaders put into guest memory on QEMU, as a second opinion on both loaders and guests.

QEMU's own loaders are bypassed: guest RAM is copied in as it is, and a small BIOS ROM, assembled here by hand, enters
the kernel in the state that the `Entry` describes.
"""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from node.boot.entry import Entry
from node.boot.memory_map import HIGH_START, HOLE_START
from node.memory.ram import GuestMemory

QEMU = "qemu-system-i386"
WITH_APIC, WITHOUT_APIC = "qemu32", "qemu32,-apic"
TIMED_OUT = 124  # exit status of timeout(1)
_ROM_BYTES = 64 << 10


def require_qemu() -> None:
    """Skip the calling test where QEMU is not installed."""
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed")


def run_on_qemu(
    memory: GuestMemory,
    entry: Entry,
    directory: Path,
    *,
    timeout_s: float,
    until: bytes | None = None,
    cpu: str = WITHOUT_APIC,
) -> tuple[int | None, bytes]:
    """Boot; return the exit status (None: ended because `until` appeared on the console) and the console output."""
    low, high = directory / "low.bin", directory / "high.bin"
    low.write_bytes(memory.read(0, HOLE_START))
    high.write_bytes(memory.read(HIGH_START, memory.ram_bytes - HIGH_START))
    ram = [
        *("-m", f"{memory.ram_bytes >> 10}K", "-device", f"loader,file={low},addr=0,force-raw=on"),
        *("-device", f"loader,file={high},addr={HIGH_START},force-raw=on"),
    ]
    return run_rom_on_qemu(trampoline(entry), directory, *ram, timeout_s=timeout_s, until=until, cpu=cpu)


def run_rom_on_qemu(
    rom: bytes,
    directory: Path,
    *options: str,
    timeout_s: float,
    until: bytes | None = None,
    cpu: str = WITHOUT_APIC,
) -> tuple[int | None, bytes]:
    """Boot a BIOS ROM; return as `run_on_qemu`."""
    file = directory / "rom.bin"
    file.write_bytes(rom)
    return _run("-bios", str(file), *options, timeout_s=timeout_s, until=until, cpu=cpu)


def run_kernel_on_qemu(kernel: bytes, directory: Path, *, timeout_s: float) -> tuple[int | None, bytes]:
    """Boot a Multiboot kernel by QEMU's own BIOS and loader; return as `run_on_qemu`."""
    file = directory / "kernel.elf"
    file.write_bytes(kernel)
    return _run("-kernel", str(file), timeout_s=timeout_s)


def run_seabios_on_qemu(disk: bytes, directory: Path, *, timeout_s: float) -> tuple[int | None, bytes]:
    """Boot a whole floppy by QEMU's own BIOS, on a PC with a screen that nobody sees; return as `run_on_qemu`."""
    file = directory / "floppy.img"
    file.write_bytes(disk)
    return _run("-device", "VGA", "-drive", f"if=floppy,format=raw,file={file}", timeout_s=timeout_s)


def _run(
    *options: str, timeout_s: float, until: bytes | None = None, cpu: str = WITHOUT_APIC
) -> tuple[int | None, bytes]:
    """QEMU 7.2 itself has hung before a ROM's first output, once in some hundred runs, on a busy host; a guest that
    hangs does so again."""
    first = _once(*options, timeout_s=timeout_s, until=until, cpu=cpu)
    return first if first != (TIMED_OUT, b"") else _once(*options, timeout_s=timeout_s, until=until, cpu=cpu)


def _once(*options: str, timeout_s: float, until: bytes | None, cpu: str) -> tuple[int | None, bytes]:
    command = [
        *("timeout", str(timeout_s), QEMU, "-accel", "tcg", "-cpu", cpu, *options),
        *("-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio"),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
    ]
    console = b""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 65536):
            console += chunk
            if until is not None and until in console:
                process.terminate()
                return None, console
    return process.returncode, console


def trampoline(entry: Entry) -> bytes:
    """A 64 KiB ROM: from the reset vector into `entry`."""
    code = bytearray(b"\xfa\xb0\x02\xe6\x92")  # cli; mov al, 2; out 0x92, al: open A20
    pointer = 0xF100
    code += b"\x2e\x66\x0f\x01\x16" + struct.pack("<H", pointer)  # lgdt cs:[pointer], 32-bit base
    code += b"\x0f\x20\xc0\x0c\x01\x0f\x22\xc0"  # mov eax, cr0; or al, 1; mov cr0, eax
    after = 0xF0000 + 0xF000 + len(code) + 8
    code += b"\x66\xea" + struct.pack("<IH", after, entry.cs)  # ljmp to the next instruction, now 32-bit
    code += b"\x66\xb8" + struct.pack("<H", entry.data_selector)  # mov ax, data
    code += b"\x8e\xd8\x8e\xc0\x8e\xe0\x8e\xe8\x8e\xd0"  # mov ds, es, fs, gs, ss
    for opcode, value in ((0xBC, entry.esp), (0xBB, entry.ebx), (0xBE, entry.esi), (0xB8, entry.eax)):
        code += bytes([opcode]) + struct.pack("<I", value)
    code += b"\x31\xff\x31\xed"  # xor edi, edi; xor ebp, ebp
    here = 0xF0000 + 0xF000 + len(code) + 5
    code += b"\xe9" + struct.pack("<I", (entry.eip - here) & 0xFFFF_FFFF)
    rom = bytearray(_ROM_BYTES)
    rom[0xF000 : 0xF000 + len(code)] = code
    rom[pointer : pointer + 6] = struct.pack("<HI", entry.gdt_limit, entry.gdt_base)
    rom[0xFFF0:0xFFF3] = b"\xe9" + struct.pack("<H", (0xF000 - 0xFFF3) & 0xFFFF)
    return bytes(rom)
