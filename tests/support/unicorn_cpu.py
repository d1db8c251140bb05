"""The unicorn CPU on guest memory that a loader has filled, in the state of an `Entry`: a processor that is not ours.

Unicorn has no interrupt pin, so delivery through the IDT is written out here; ports are whatever it is given.
"""

# unicorn ships without types
# mypy: disable-error-code="no-untyped-call,attr-defined"

import ctypes
import struct
from typing import Any, Protocol

import unicorn
from unicorn import x86_const as x86

from node.boot.entry import Entry
from node.memory.ram import GuestMemory

_INTERRUPT_FLAG = 0x200
_HLT = b"\xf4"
_NOWHERE = 0xFFFF_FFF0


class Ports(Protocol):
    """I/O ports; widths in bytes."""

    def read(self, port: int, width: int) -> int: ...
    def write(self, port: int, width: int, value: int) -> None: ...


class UnicornCpu:
    def __init__(self, memory: GuestMemory, entry: Entry, ports: Ports) -> None:
        self._memory = memory
        self._ports = ports
        self._cpu: Any = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
        self._ram = (ctypes.c_char * memory.ram_bytes).from_buffer(memory.view)
        self._cpu.mem_map_ptr(0, memory.ram_bytes, unicorn.UC_PROT_ALL, ctypes.addressof(self._ram))
        self._cpu.hook_add(unicorn.UC_HOOK_INSN, self._in, None, 1, 0, x86.UC_X86_INS_IN)
        self._cpu.hook_add(unicorn.UC_HOOK_INSN, self._out, None, 1, 0, x86.UC_X86_INS_OUT)
        self._cpu.reg_write(x86.UC_X86_REG_GDTR, (0, entry.gdt_base, entry.gdt_limit, 0))
        self._cpu.reg_write(x86.UC_X86_REG_CS, entry.cs)
        for segment in ("ds", "es", "fs", "gs", "ss"):
            self._write(segment, entry.data_selector)
        for register in ("eip", "esp", "eax", "ebx", "esi"):
            self._write(register, getattr(entry, register))

    def run(self, instructions: int) -> None:
        """Execute up to `instructions`; fewer if it halts or is stopped."""
        self._cpu.emu_start(self.register("eip"), _NOWHERE, count=instructions)

    def stop(self) -> None:
        """End the current `run` (for ports to call)."""
        self._cpu.emu_stop()

    def register(self, name: str) -> int:
        return int(self._cpu.reg_read(getattr(x86, f"UC_X86_REG_{name.upper()}")))

    @property
    def interrupts_enabled(self) -> bool:
        return bool(self.register("eflags") & _INTERRUPT_FLAG)

    @property
    def at_hlt(self) -> bool:
        """The last instruction was HLT (of code that is mapped one to one, as all of a kernel's is here)."""
        return self._memory.read(self.register("eip") - 1, 1) == _HLT

    def interrupt(self, vector: int) -> None:
        """What the processor does: push EFLAGS, CS, EIP, go through the gate with interrupts off."""
        _, base, _, _ = self._cpu.reg_read(x86.UC_X86_REG_IDTR)
        low, selector, kind, high = struct.unpack("<HHHH", self._memory.read(base + 8 * vector, 8))
        assert kind == 0x8E00, f"vector {vector} has no 32-bit interrupt gate"
        esp = self.register("esp") - 12
        frame = struct.pack("<III", self.register("eip"), self.register("cs"), self.register("eflags"))
        self._memory.write(esp, frame)
        self._write("esp", esp)
        self._write("eflags", self.register("eflags") & ~_INTERRUPT_FLAG)
        self._write("cs", selector)
        self._write("eip", high << 16 | low)

    def _write(self, register: str, value: int) -> None:
        self._cpu.reg_write(getattr(x86, f"UC_X86_REG_{register.upper()}"), value)

    def _in(self, _cpu: object, port: int, width: int, _data: object) -> int:
        return self._ports.read(port, width)

    def _out(self, _cpu: object, port: int, width: int, value: int, _data: object) -> None:
        self._ports.write(port, width, value)
