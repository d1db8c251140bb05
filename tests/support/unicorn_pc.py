"""A PC just large enough for the built-in guest, around the unicorn CPU: COM1, the timer's interrupt, the debug exit.

It runs on the very memory that a loader filled, so a test sees and damages what the guest sees. Time is the test's:
the timer ticks when the guest sleeps in HLT, and after `instructions_per_tick` instructions otherwise.
"""

# unicorn ships without types
# mypy: disable-error-code="no-untyped-call,attr-defined"

import ctypes
import struct
from dataclasses import dataclass, field
from typing import Any

import unicorn
from unicorn import x86_const as x86

from node.boot.entry import Entry
from node.memory.ram import GuestMemory

_COM1, _DEBUG_EXIT, _TIMER_VECTOR, _SERIAL_VECTOR = 0x3F8, 0xF4, 32, 36
_INTERRUPT_FLAG = 0x200
_NOWHERE = 0xFFFF_FFF0


class GuestFailed(AssertionError):
    """The guest did something that this machine does not know, or did not end in time."""


@dataclass
class UnicornPc:
    memory: GuestMemory
    entry: Entry
    instructions_per_tick: int = 200_000
    console: bytearray = field(default_factory=bytearray)
    input: bytearray = field(default_factory=bytearray)
    exit_value: int | None = None
    halted: bool = False
    ticks: int = 0
    _divisor_latch: bool = False

    def __post_init__(self) -> None:
        self._cpu: Any = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
        self._keep = (ctypes.c_char * self.memory.ram_bytes).from_buffer(self.memory.view)
        self._cpu.mem_map_ptr(0, self.memory.ram_bytes, unicorn.UC_PROT_ALL, ctypes.addressof(self._keep))
        self._cpu.hook_add(unicorn.UC_HOOK_INSN, self._read_port, None, 1, 0, x86.UC_X86_INS_IN)
        self._cpu.hook_add(unicorn.UC_HOOK_INSN, self._write_port, None, 1, 0, x86.UC_X86_INS_OUT)
        self._cpu.reg_write(x86.UC_X86_REG_GDTR, (0, self.entry.gdt_base, self.entry.gdt_limit, 0))
        self._cpu.reg_write(x86.UC_X86_REG_CS, self.entry.cs)
        for register in ("DS", "ES", "FS", "GS", "SS"):
            self._cpu.reg_write(getattr(x86, f"UC_X86_REG_{register}"), self.entry.data_selector)
        for register in ("eip", "esp", "eax", "ebx", "esi"):
            self._write(register, getattr(self.entry, register))

    def run(self, *, ticks: int) -> str:
        """Run until the guest ends or the timer has ticked `ticks` times more; return all of the console so far."""
        last = self.ticks + ticks
        while not self.ended and self.ticks < last:
            self._cpu.emu_start(self._read("eip"), _NOWHERE, count=self.instructions_per_tick)
            self._interrupt_or_halt()
        return self.console.decode()

    def run_to_end(self, *, most_ticks: int = 2000) -> str:
        """Run until the guest ends, which it must do within `most_ticks`."""
        console = self.run(ticks=most_ticks)
        if not self.ended:
            raise GuestFailed(f"the guest still runs after {most_ticks} ticks:\n{console}")
        return console

    def type(self, text: str) -> None:
        """Queue input for COM1; its interrupt comes instead of the next tick."""
        self.input += text.encode()

    @property
    def ended(self) -> bool:
        return self.halted or self.exit_value is not None

    def register(self, name: str) -> int:
        return self._read(name)

    def _interrupt_or_halt(self) -> None:
        if self.ended:
            return
        if not self._read("eflags") & _INTERRUPT_FLAG:
            at_halt = self.memory.read(self._read("eip") - 1, 1) == b"\xf4"
            self.halted = at_halt  # else a critical section: the tick waits, as at a masked processor
            return
        if self.input:
            self._interrupt(_SERIAL_VECTOR)
        else:
            self.ticks += 1
            self._interrupt(_TIMER_VECTOR)

    def _interrupt(self, vector: int) -> None:
        """What the processor does: push EFLAGS, CS, EIP, go through the gate with interrupts off."""
        _, base, _, _ = self._cpu.reg_read(x86.UC_X86_REG_IDTR)
        low, selector, kind, high = struct.unpack("<HHHH", self.memory.read(base + 8 * vector, 8))
        if kind != 0x8E00:
            raise GuestFailed(f"vector {vector} has no interrupt gate")
        frame = (self._read("eip"), self._cpu.reg_read(x86.UC_X86_REG_CS), self._read("eflags"))
        esp = self._read("esp") - 12
        self.memory.write(esp, struct.pack("<III", *frame))
        self._write("esp", esp)
        self._write("eflags", self._read("eflags") & ~_INTERRUPT_FLAG)
        self._cpu.reg_write(x86.UC_X86_REG_CS, selector)
        self._write("eip", high << 16 | low)

    def _read_port(self, _cpu: object, port: int, size: int, _data: object) -> int:
        if port == _COM1 + 5:
            return 0x60 | bool(self.input)
        if port == _COM1 and self.input:
            return self.input.pop(0)
        return (1 << 8 * size) - 1

    def _write_port(self, _cpu: object, port: int, _size: int, value: int, _data: object) -> None:
        if port == _COM1 and not self._divisor_latch:
            self.console.append(value)
        elif port == _COM1 + 3:
            self._divisor_latch = bool(value & 0x80)
        elif port == _DEBUG_EXIT:
            self.exit_value = value
            self._cpu.emu_stop()

    def _read(self, register: str) -> int:
        return int(self._cpu.reg_read(getattr(x86, f"UC_X86_REG_{register.upper()}")))

    def _write(self, register: str, value: int) -> None:
        self._cpu.reg_write(getattr(x86, f"UC_X86_REG_{register.upper()}"), value)
