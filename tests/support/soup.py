"""Programs without sense, for comparing engines: random instructions or bytes in a loop that nothing leaves.

Every exception returns behind the byte that raised it, folded into the two code pages, so that wild jumps, faults, code
that overwrites itself and misread immediates only make the run more varied. Time, ports and interrupts are a function
of the run itself. A level 0 program may also end in a shutdown, which must then come at the same instruction for all.
"""

from dataclasses import dataclass
from random import Random

import numpy as np

from node.ia32.encodings import forms_of, has_modrm
from node.ia32.operands import MEM
from node.ia32.state import (
    CS,
    EBP,
    EDI,
    ESI,
    ESP,
    EXIT_HALT,
    EXIT_INTERRUPT,
    EXIT_IO,
    EXIT_SHUTDOWN,
    IF,
    IOPL_MASK,
    M32,
    STATUS_FLAGS,
    TF,
)
from tests.support.cpu_case import CODE, CODE_BYTES, LOCAL_TABLE, PAGE, PROTECTED, WINDOW, WINDOW_BYTES, Segment
from tests.support.encode import aim, instruction, named_rows
from tests.support.random_case import interesting
from tests.support.user_world import (
    GDT,
    HANDLER_BYTES,
    HANDLERS,
    IDT,
    KERNEL,
    KERNEL_CODE,
    TABLE,
    WITH_ERROR,
    UserWorld,
)

REPEATS, LDT, LDT_SELECTOR = 8, 0x7800, 0x48
MOVING = 0x6_0000  # pages whose entries the kind "paging" changes
ALIAS, READ_ONLY, SUPERVISOR = 0x5_0000, WINDOW + WINDOW_BYTES, WINDOW + WINDOW_BYTES + PAGE
DEVICE_VECTORS = range(32, 48)
TAIL = HANDLERS + 48 * HANDLER_BYTES
LEVEL0 = {0x23: Segment(0x10, 0, M32, 0xC9B), 0x2B: Segment(0x18, 0, M32, 0xC93)}
CLOCK_TICKS = 1 << 16  # one TSC tick an instruction
KINDS = ("instructions", "bytes", "loops", "writers", "paging")
ROWS = tuple(named_rows().values())
X87 = {f"D{digit:X}" for digit in range(8, 16)}
MEMORY_ROWS = tuple(
    r for r in ROWS if r.oracle and has_modrm(r) and MEM in forms_of(r) and not r.ends and r.code[:2] not in X87
)


@dataclass(frozen=True, slots=True)
class Program:
    """`kind` is one of KINDS; `setting` as of a Case, or "kernel": flat at level 0."""

    kind: str
    setting: str
    code: bytes
    window: bytes
    gpr: tuple[int, ...]
    eflags: int


def random_program(rng: Random, kind: str) -> Program:
    setting = {"writers": rng.choice(("flat", "kernel")), "paging": "kernel"}.get(kind)
    setting = setting or rng.choice((*PROTECTED, "flat", "kernel"))
    wide = setting in ("flat", "kernel", "mixed")
    code = rng.randbytes(CODE_BYTES) if kind == "bytes" else _instructions(rng, kind, wide)
    gpr = [rng.choice((interesting(rng), WINDOW + rng.randrange(WINDOW_BYTES))) for _ in range(8)]
    gpr[ESP] = WINDOW + rng.randrange(PAGE, WINDOW_BYTES) if wide else rng.randrange(PAGE, WINDOW_BYTES)
    gpr[EBP] = gpr[ESP]
    for register in (ESI, EDI):
        gpr[register] = rng.choice((WINDOW, CODE, ALIAS, READ_ONLY - 64)) + rng.randrange(PAGE)
    eflags = rng.getrandbits(12) & STATUS_FLAGS | IF | 2 | (TF if rng.random() < 0.2 else 0)
    if setting == "kernel":
        eflags |= rng.choice((0, IOPL_MASK))
    return Program(kind, setting, code, rng.randbytes(WINDOW_BYTES), tuple(gpr), eflags)


def _instructions(rng: Random, kind: str, wide: bool) -> bytes:
    """Whole instructions: any, with mostly wild operands, or what the kind of program is about."""
    code = bytearray()
    while len(code) < CODE_BYTES // REPEATS:
        if kind == "writers":
            code += _direct(rng, CODE, CODE_BYTES // REPEATS)
        elif kind == "paging":
            code += _paging(rng)
        elif kind == "instructions" and wide and rng.random() < 0.5:
            code += _direct(rng, WINDOW, WINDOW_BYTES)
        else:
            made = instruction(rng, rng.choice(ROWS), wide=wide)
            if kind == "instructions" or rng.random() < 0.1 or not (made.row.ends or made.address):
                code += made.code
        if kind != "instructions" and rng.random() < 0.2:  # a little way back
            code += bytes((rng.choice((0xE2, 0x75, 0x72, 0x79)), 0x100 - rng.randrange(2, 40)))
    return bytes(code * REPEATS)[:CODE_BYTES]


def _direct(rng: Random, start: int, length: int) -> bytes:
    """An instruction with a memory operand at a fixed address in a range."""
    while True:
        made = instruction(rng, rng.choice(MEMORY_ROWS), wide=True)
        if made.address and made.address.bits == 32 and made.address.base is None and made.address.index is None:
            aim(made, [0] * 9, start + rng.randrange(length))
            return bytes(made.code)


def _paging(rng: Random) -> bytes:
    """Use of the pages from MOVING on, or a change of their entries, with or without telling the processor."""
    kind = rng.randrange(8)
    page = rng.randrange(16)
    if kind == 0:
        entry = MOVING + rng.randrange(4) * PAGE | rng.choice((0, 1, 3, 3, 7, 0x23, 0x63))
        at = KERNEL + TABLE + (MOVING // PAGE + page) * 4
        return b"\xc7\x05" + at.to_bytes(4, "little") + entry.to_bytes(4, "little")
    if kind == 1:
        return b"\x0f\x01\x3d" + (MOVING + page * PAGE).to_bytes(4, "little")  # INVLPG
    if kind == 2 and rng.random() < 0.3:
        return b"\x0f\x20\xd8\x0f\x22\xd8"  # MOV EAX, CR3; MOV CR3, EAX
    return _direct(rng, MOVING, 16 * PAGE)


class SoupWorld(UserWorld):
    def _fill_tables(self) -> None:
        super()._fill_tables()
        for at in range(0, CODE_BYTES, PAGE):
            self._map(ALIAS + at, CODE + at | 7)
        self._map(READ_ONLY, READ_ONLY | 5)
        self._map(SUPERVISOR, SUPERVISOR | 3)
        for seg in PROTECTED["flat"].values():
            if not seg.selector & 4:
                self.memory.write(GDT + (seg.selector & ~7), seg.descriptor())
        for number, seg in enumerate(LOCAL_TABLE):
            self.memory.write(LDT + number * 8, seg.descriptor())
        self.memory.write(GDT + LDT_SELECTOR, Segment(LDT_SELECTOR, KERNEL + LDT, 0xFF, 0x82).descriptor())
        for vector in range(48):
            self.memory.write(HANDLERS + vector * HANDLER_BYTES, self._handler(vector))
        for vector in DEVICE_VECTORS:
            at = KERNEL + HANDLERS + vector * HANDLER_BYTES
            low, high = at & 0xFFFF | KERNEL_CODE << 16, at & 0xFFFF_0000 | 0x8E00
            self.memory.write(IDT + vector * 8, low.to_bytes(4, "little") + high.to_bytes(4, "little"))

        self._image = self.memory.bytes.copy()

    def _handler(self, vector: int) -> bytes:
        """Traps and some interrupts return; others move on by 499 bytes, out of whatever loop the program is in; faults
        drop the error code and return behind the byte at fault."""
        if vector in (1, 3, 4) or (vector in DEVICE_VECTORS and vector % 2):
            return b"\xcf"
        move_on = b"\x81\x04\x24" + (499).to_bytes(4, "little")
        drop = b"\x83\xc4\x04" if vector in WITH_ERROR else move_on if vector in DEVICE_VECTORS else b""
        here = HANDLERS + vector * HANDLER_BYTES + len(drop) + 5
        return drop + b"\xe9" + (TAIL - here & M32).to_bytes(4, "little")

    def _map(self, linear: int, entry: int) -> None:
        self.memory.write(TABLE + linear // PAGE * 4, entry.to_bytes(4, "little"))

    def _system_state(self) -> None:
        super()._system_state()
        c = self.processor.cpu
        c.idt_limit = 48 * 8 - 1
        c.fcw = 0x37F
        c.selector[6], c.base[6], c.limit[6] = LDT_SELECTOR, KERNEL + LDT, 0xFF

    def load(self, program: Program) -> None:
        c, m = self.processor.cpu, self.processor.machine
        self.processor.cpu_array[...] = self._template
        self.memory.bytes[:] = self._image
        setting = PROTECTED.get(program.setting, PROTECTED["flat"])
        for number, segment in setting.items():
            used = LEVEL0.get(segment.selector, segment) if program.setting == "kernel" else segment
            c.selector[number], c.base[number] = used.selector, used.base
            c.limit[number], c.attr[number] = used.limit, used.attr
        for i, value in enumerate(program.gpr):
            c.gpr[i] = value
        c.cpl = 0 if program.setting == "kernel" else 3
        c.eip, c.flags, c.cc_src = CODE - c.base[CS], program.eflags & ~STATUS_FLAGS, program.eflags & STATUS_FLAGS
        fold = b"\xff\x04\x24" + b"\x81\x24\x24" + (CODE_BYTES - 1).to_bytes(4, "little")
        fold += b"\x81\x0c\x24" + (CODE - c.base[CS]).to_bytes(4, "little") + b"\xcf"
        self.memory.write(TAIL, fold)
        self.memory.write(CODE, program.code)
        self.memory.write(WINDOW, program.window)
        self.memory.clear_dirty()
        m.tsc_per_instruction = CLOCK_TICKS
        self.processor.drop_derived()

    def run(self, budget: int) -> bool:  # type: ignore[override]
        """Exactly `budget` instructions, serving what comes up; False: the processor has shut down."""
        c, m = self.processor.cpu, self.processor.machine
        end = c.instructions + budget
        while c.instructions < end:
            m.tsc_start = m.tsc_now = c.instructions
            reason = self.processor.run(end - c.instructions)
            if reason == EXIT_IO:
                m.io_value, m.io_ready = m.io_port * 0x9E3779B1 + c.instructions & M32, 1
            elif reason == EXIT_INTERRUPT or (reason == EXIT_HALT and c.flags & IF):
                m.interrupt_line = 0
                self.processor.engine.deliver_interrupt(DEVICE_VECTORS[c.instructions % len(DEVICE_VECTORS)])
            elif reason in (EXIT_SHUTDOWN, EXIT_HALT):
                return False
        return True

    def interrupt(self) -> None:
        """Raise the interrupt line; it falls when the processor takes the interrupt."""
        self.processor.machine.interrupt_line = 1

    def state(self) -> dict[str, np.ndarray]:
        """Every architectural bit, and which pages were written."""
        self.processor.engine.materialise()
        parts = {name: self.processor.cpu_array[name][0].copy() for name in self.processor.cpu_array.dtype.names or ()}
        return {**parts, "memory": self.memory.bytes.copy(), "dirty": self.memory.dirty.copy()}


def disagreement(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> str:
    """What is not the same in two states, or nothing."""
    return "; ".join(_difference(name, one[name], other[name]) for name in one if (one[name] != other[name]).any())


def _difference(name: str, one: np.ndarray, other: np.ndarray) -> str:
    if one.size < 20:
        return f"{name} {one} and {other}"
    places = np.flatnonzero(one != other)[:8]
    return f"{name} at {[hex(p) for p in places]}: {one[places]} and {other[places]}"
