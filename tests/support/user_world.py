"""A processor that executes one `Case` at a time at level 3, with paging, a task-state segment and a gate for every
exception: what came of it is read where the handler would find it.

Physical: 1000 page directory, 2000 and 9000 page tables, 3000 GDT, 4000 IDT, 5000 TSS, 6000 handlers, 8000 top of the
level 0 stack. The processor sees its own tables at C0000000 and up, far from where cases go astray.
"""

import struct
from dataclasses import replace

from node.ia32.flags import eflags
from node.ia32.models import MODELS, CpuModel
from node.ia32.processor import Engine, Processor
from node.ia32.reset import reset
from node.ia32.state import (
    CR0_AM,
    CR0_ET,
    CR0_NE,
    CR0_PE,
    CR0_PG,
    CR0_WP,
    CR4_OSFXSR,
    CR4_OSXMMEXCPT,
    ESP,
    EXIT_NONE,
    LDTR,
    M16,
    M32,
    STATUS_FLAGS,
    TF,
    TR,
    Cpu,
)
from node.memory.ram import GuestMemory
from tests.support.cpu_case import (
    CODE,
    CODE_END,
    DB,
    PAGE,
    PAGE_FAULT,
    SETTINGS,
    WINDOW,
    WINDOW_BYTES,
    Case,
    Outcome,
    Vectors,
)

KERNEL = 0xC000_0000
DIRECTORY, TABLE, GDT, IDT, TSS, HANDLERS, STACK, KERNEL_TABLE = (
    0x1000,
    0x2000,
    0x3000,
    0x4000,
    0x5000,
    0x6000,
    0x8000,
    0x9000,
)
HANDLER_BYTES = 16
KERNEL_CODE, KERNEL_DATA, TSS_SELECTOR = 0x10, 0x18, 0x40
WITH_ERROR = {8, 10, 11, 12, 13, 14, 17}
TSS_BYTES = 0x68
LDT_ATTR, BUSY_TSS_ATTR = 0x82, 0x8B
INTERRUPT_GATE, USER_INTERRUPT_GATE = 0x8E00, 0xEE00


class UserWorld:
    exits: tuple[int, ...] = (EXIT_NONE,)

    def __init__(self, engine: Engine, model: CpuModel = MODELS["pentium4"]) -> None:
        self.memory = GuestMemory(1 << 20)
        self.processor = Processor(self.memory, engine, model)
        self._fill_tables()
        reset(self.processor.cpu, self.processor.machine)
        self._system_state()
        self._template = self.processor.cpu_array.copy()
        self._code_used = (CODE, 0)

    def _fill_tables(self) -> None:
        write = self.memory.write
        write(DIRECTORY, (TABLE | 7).to_bytes(4, "little"))
        write(DIRECTORY + (KERNEL >> 22) * 4, (KERNEL_TABLE | 3).to_bytes(4, "little"))
        write(KERNEL_TABLE, b"".join((at | 3).to_bytes(4, "little") for at in range(0, STACK, PAGE)))
        for at in (*range(CODE, CODE_END, PAGE), *range(WINDOW, WINDOW + WINDOW_BYTES, PAGE)):
            write(TABLE + at // PAGE * 4, (at | 7).to_bytes(4, "little"))
        write(GDT + KERNEL_CODE, bytes.fromhex("ffff0000009bcf00"))
        write(GDT + KERNEL_DATA, bytes.fromhex("ffff00000093cf00"))
        for vector in range(32):
            kind = USER_INTERRUPT_GATE if vector in (3, 4) else INTERRUPT_GATE
            handler = KERNEL + HANDLERS + vector * HANDLER_BYTES
            write(IDT + vector * 8, struct.pack("<HHHH", handler & M16, KERNEL_CODE, kind, handler >> 16))
        write(TSS + 4, struct.pack("<II", KERNEL + STACK, KERNEL_DATA))
        write(TSS + 0x66, TSS_BYTES.to_bytes(2, "little"))  # no I/O permission bitmap

    def _system_state(self) -> None:
        c = self.processor.cpu
        c.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG
        c.cr3 = DIRECTORY
        c.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT
        c.gdt_base, c.gdt_limit, c.idt_base, c.idt_limit = KERNEL + GDT, 0xFF, KERNEL + IDT, 0xFF
        c.selector[TR], c.base[TR], c.limit[TR], c.attr[TR] = TSS_SELECTOR, KERNEL + TSS, TSS_BYTES - 1, BUSY_TSS_ATTR
        c.selector[LDTR], c.base[LDTR], c.limit[LDTR], c.attr[LDTR] = 0x48, 0, 0, LDT_ATTR
        c.cpl = 3

    def run(self, case: Case) -> Outcome:
        """Execute the one instruction (one iteration of a repeated one)."""
        self._enter(case)
        reason = self.processor.run(1)
        assert reason in self.exits, f"left for the host, reason {reason}: {case}"
        return self._outcome(case)

    def run_two(self, first: Case, second: Case) -> Outcome:
        """Execute `first`, which does not fault, and then `second`'s code from the state that `first` has left: flags
        that nobody has asked for yet are still lazy then."""
        self._enter(replace(first, eflags=first.eflags & ~TF))
        assert self.processor.run(1) == EXIT_NONE and self.processor.cpu.cpl == 3
        self._place_code(second)
        self.processor.cpu.eip = second.eip
        self.processor.cpu.flags |= TF
        assert self.processor.run(1) == EXIT_NONE
        return self._outcome(second)

    def run_many(self, case: Case, instructions: int) -> Outcome:
        """Execute that many instructions (or iterations) in one go, without a trap behind them."""
        self._enter(replace(case, eflags=case.eflags & ~TF))
        assert self.processor.run(instructions) == EXIT_NONE
        c = self.processor.cpu
        if c.cpl == 0:
            fault = self._outcome(case)
            return replace(fault, eflags=fault.eflags | TF)
        gpr = tuple(int(c.gpr[i]) for i in range(8))
        return Outcome(DB, 0, gpr, c.eip, eflags(c) | TF, 0, self.memory.read(WINDOW, WINDOW_BYTES))

    def _enter(self, case: Case) -> None:
        c = self.processor.cpu
        self.processor.cpu_array[...] = self._template
        for i, value in enumerate(case.gpr):
            c.gpr[i] = value
        c.eip, c.flags, c.cc_src = case.eip, case.eflags & ~STATUS_FLAGS, case.eflags & STATUS_FLAGS
        for number, segment in SETTINGS[case.setting].items():
            c.selector[number], c.base[number] = segment.selector, segment.base
            c.limit[number], c.attr[number] = segment.limit, segment.attr
        if case.vectors is not None:
            set_vectors(c, case.vectors)
        self.memory.write(WINDOW, case.window)
        self._place_code(case)
        self.processor.engine.refresh()

    def _place_code(self, case: Case) -> None:
        at, length = self._code_used
        self.memory.write(at, bytes(length))
        code = case.code[: CODE_END - case.code_linear]
        self.memory.write(case.code_linear, code)
        self._code_used = (case.code_linear, len(code))
        if self.memory.code_written:
            self.processor.host_wrote_code()

    def _outcome(self, case: Case) -> Outcome:
        c = self.processor.cpu
        assert c.cpl == 0, f"no trap: {case}"
        vector = (c.eip - KERNEL - HANDLERS) // HANDLER_BYTES
        words = list(struct.unpack("<6I", self.memory.read(c.gpr[ESP] - KERNEL, 24)))
        error = words.pop(0) if vector in WITH_ERROR else 0
        eip, _cs, eflags, esp = words[:4]
        gpr = [int(c.gpr[i]) for i in range(8)]
        gpr[ESP] = esp
        cr2 = int(c.cr2) if vector == PAGE_FAULT else 0
        window = self.memory.read(WINDOW, WINDOW_BYTES)
        return Outcome(vector, error, tuple(gpr), eip, eflags, cr2, window, get_vectors(c))

    def close(self) -> None:
        self.processor.engine.flush_all()
        self.memory.close()


def set_vectors(c: Cpu, v: Vectors) -> None:
    for i, value in enumerate(v.st):
        c.fpu[2 * i], c.fpu[2 * i + 1] = value & (1 << 64) - 1, value >> 64
    for i, value in enumerate(v.xmm):
        for lane in range(4):
            c.xmm[4 * i + lane] = value >> 32 * lane & M32
    c.mxcsr, c.fcw, c.fsw, c.ftw = v.mxcsr, v.control, v.status, v.filled


def get_vectors(c: Cpu) -> Vectors:
    st = tuple(int(c.fpu[2 * i] | (c.fpu[2 * i + 1] & M16) << 64) for i in range(8))
    xmm = tuple(sum(int(c.xmm[4 * i + lane]) << 32 * lane for lane in range(4)) for i in range(8))
    return Vectors(st, xmm, int(c.mxcsr), int(c.fcw), int(c.fsw), int(c.ftw))
