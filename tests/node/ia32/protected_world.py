"""A small protected-mode world: one CPU, 1 MiB of RAM, and tables at fixed places that tests fill entry by entry.

1000 GDT   2000 IDT   3000 TSS (32-bit)   4000 second TSS   5000 code   6000 LDT
stacks, growing down from: 8000 level 0   9000 level 1   A000 level 3
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from node.ia32.faults import FAULT
from node.ia32.models import DEFAULT, MODELS
from node.ia32.processor import PlainEngine, Processor
from node.ia32.reset import reset
from node.ia32.segments import load_segment, refresh, set_level
from node.ia32.state import CPU, CR0_ET, CR0_PE, CS, DS, ES, ESP, FS, GS, LDTR, LEAVE_FAULT, OP, SS, TR, VM
from node.ia32.tlb import flush_all
from node.jitted import new_record
from node.memory.ram import GuestMemory

GDT, IDT, TSS, TSS2, CODE, LDT_AT = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000
STACK0, STACK1, STACK3 = 0x8000, 0x9000, 0xA000
CODE0, DATA0, CODE3, DATA3, TSS_SELECTOR, LDT_SELECTOR = 0x08, 0x10, 0x1B, 0x23, 0x28, 0x30
CODE1, DATA1, CONFORMING, TSS2_SELECTOR, SCRATCH = 0x39, 0x41, 0x48, 0x50, 0x58

FLAT = 0xC00  # D and G; with limit FFFFF
CODE_RX, DATA_RW, CONFORMING_RX = 0x9B, 0x93, 0x9F
LEVEL1, LEVEL3 = 0x20, 0x60


def descriptor(base: int, limit: int, attr: int) -> int:
    """Eight bytes as an int; `attr` as segment registers keep it: access byte, and the AVL/L/D/G nibble above it."""
    low = (limit & 0xFFFF) | (base & 0xFFFF) << 16
    high = (base >> 16 & 0xFF) | (attr & 0xFF) << 8 | (limit & 0xF_0000) | (attr & 0xF00) << 12 | base & 0xFF00_0000
    return high << 32 | low


def gate(selector: int, offset: int, access: int, parameters: int = 0) -> int:
    return (offset & 0xFFFF_0000 | access << 8 | parameters) << 32 | selector << 16 | offset & 0xFFFF


class World:
    """Starts at level 0 on flat segments, paging off, interrupts off, TR = TSS."""

    def __init__(self, model: str = DEFAULT.name) -> None:
        self.memory = GuestMemory(1 << 20)
        self.processor = Processor(self.memory, PlainEngine(), MODELS[model])
        self.cpu_array, self.c, self.m = self.processor.cpu_array, self.processor.cpu, self.processor.machine
        reset(self.c, self.m)
        self._fill_tables()
        self.enter_level(0)

    def _fill_tables(self) -> None:
        c = self.c
        c.cr0 = CR0_PE | CR0_ET
        c.gdt_base, c.gdt_limit, c.idt_base, c.idt_limit = GDT, 0xFF, IDT, 0x7FF
        for selector, access in (
            (CODE0, CODE_RX), (DATA0, DATA_RW), (CODE3, CODE_RX | LEVEL3), (DATA3, DATA_RW | LEVEL3),
            (CODE1, CODE_RX | LEVEL1), (DATA1, DATA_RW | LEVEL1), (CONFORMING, CONFORMING_RX),
        ):  # fmt: skip
            self.describe(selector, 0, 0xFFFFF, access | FLAT)
        self.describe(TSS_SELECTOR, TSS, 0x67, 0x8B)
        self.describe(TSS2_SELECTOR, TSS2, 0x67, 0x89)
        self.describe(LDT_SELECTOR, LDT_AT, 0xFF, 0x82)
        c.selector[TR], c.base[TR], c.limit[TR], c.attr[TR] = TSS_SELECTOR, TSS, 0x67, 0x8B
        c.selector[LDTR], c.base[LDTR], c.limit[LDTR], c.attr[LDTR] = LDT_SELECTOR, LDT_AT, 0xFF, 0x82
        for slot, value in ((4, STACK0), (8, DATA0), (12, STACK1), (16, DATA1)):
            self.poke(TSS + slot, value)

    def describe(self, selector: int, base: int, limit: int, attr: int) -> None:
        self.put_descriptor(selector, descriptor(base, limit, attr))

    def put_descriptor(self, selector: int, value: int) -> None:
        table = LDT_AT if selector & 4 else GDT
        self.memory.write(table + (selector & 0xFFF8), value.to_bytes(8, "little"))

    def get_descriptor(self, selector: int) -> int:
        return int.from_bytes(self.memory.read((LDT_AT if selector & 4 else GDT) + (selector & 0xFFF8), 8), "little")

    def gate(self, vector: int, selector: int, offset: int, access: int) -> None:
        self.memory.write(IDT + vector * 8, gate(selector, offset, access).to_bytes(8, "little"))

    def poke(self, address: int, value: int, size: int = 4) -> None:
        self.memory.write(address, value.to_bytes(size, "little"))

    def peek(self, address: int, size: int = 4) -> int:
        return int.from_bytes(self.memory.read(address, size), "little")

    def words(self, address: int, count: int, size: int = 4) -> list[int]:
        return [self.peek(address + i * size, size) for i in range(count)]

    def stack(self, count: int, size: int = 4) -> list[int]:
        """The topmost words of the present stack."""
        mask = int(self.m.stack_mask)
        return self.words(int(self.c.base[SS]) + (int(self.c.gpr[ESP]) & mask), count, size)

    def enter_level(self, level: int) -> None:
        """Flat segments of a privilege level, its stack, EIP at CODE."""
        c, m = self.c, self.m
        code, data, esp = {0: (CODE0, DATA0, STACK0), 1: (CODE1, DATA1, STACK1), 3: (CODE3, DATA3, STACK3)}[level]
        access = level << 5
        m.fault = 0
        c.selector[CS], c.base[CS], c.limit[CS], c.attr[CS] = code, 0, 0xFFFF_FFFF, CODE_RX | access | FLAT
        set_level(c, m, level)
        for seg in (SS, DS, ES, FS, GS):
            load_segment(c, m, seg, data)
        assert m.fault == 0
        c.gpr[ESP], c.eip = esp, CODE

    def enter_v86(self, iopl: int = 0) -> None:
        """Virtual-8086 mode: CS 500, the data segments 100, 200, 300, 400, stack 900:1000."""
        c, m = self.c, self.m
        c.flags |= VM | iopl << 12
        set_level(c, m, 3)
        for seg, selector in ((CS, 0x500), (SS, 0x900), (ES, 0x100), (DS, 0x200), (FS, 0x300), (GS, 0x400)):
            load_segment(c, m, seg, selector)
        c.gpr[ESP], c.eip = 0x1000, 0

    def enter_real(self) -> None:
        c, m = self.c, self.m
        reset(c, m)
        for seg, selector in ((CS, 0x500), (SS, 0x900), (DS, 0x200), (ES, 0x100)):
            load_segment(c, m, seg, selector)
        c.idt_base, c.idt_limit, c.gpr[ESP], c.eip = IDT, 0x3FF, 0x1000, 0

    def op(self, **fields: int) -> Any:
        _, e = new_record(OP)
        e.base = e.index = 8
        e.length, e.seg = 2, DS
        for name, value in fields.items():
            setattr(e, name, value)
        return e

    def do(self, semantic: Callable[..., Any], *constants: int, **fields: int) -> tuple[int, int] | None:
        """Execute one semantic; its fault as (vector, error), after checking that it left the processor as it was."""
        before = self.cpu_array.copy()
        self.m.fault = self.m.leave = 0
        semantic(self.c, self.m, self.op(**fields), *constants)
        return self.fault(before)

    def fault(self, before: Any) -> tuple[int, int] | None:
        if self.m.fault == 0:
            return None
        assert self.m.leave == LEAVE_FAULT
        before["cr2"], before["dr"][:, 6] = self.c.cr2, self.c.dr[6]
        changed = [name for name in CPU.names or () if not np.array_equal(before[name], self.cpu_array[name])]
        assert changed == [], f"a fault changed {changed}"
        return int(self.m.fault) - FAULT, int(self.m.error)

    def map_pages(self, absent: set[int], supervisor: set[int], read_only: set[int]) -> None:
        """Turn paging on over an identity map of the first 4 MiB; page numbers in the sets are treated specially."""
        directory, table = 0x10000, 0x11000
        self.poke(directory, table | 7)
        for page in range(256):
            rights = 1 | (0 if page in supervisor else 4) | (0 if page in read_only else 2)
            self.poke(table + page * 4, 0 if page in absent else page << 12 | rights)
        self.c.cr3 = directory
        self.c.cr0 |= 0x8001_0000
        flush_all(self.m)
        refresh(self.c, self.m)
