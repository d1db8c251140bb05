"""Guests that mean harm: random instructions, descriptors and page tables, and devices programmed without sense.

Whatever they do may stop or stall only themselves: `run` ends, and raises nothing.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType

from node.boot.entry import Entry
from node.ia32.processor import Engine
from node.memory.ram import PAGE
from node.vmm.machine import Machine, MachineConfig, Stopped
from tests.support.encode import instruction, named_rows

MEMORY_BYTES = 2 << 20
INSTRUCTIONS = 100_000
LONGEST_S = 300  # of one guest, on the slowest host: it ends by itself hundreds of times as fast
CODE, GDT, IDT, DIRECTORY = 0x10_0000, 0x3000, 0x4000, 0x8000
PORTS = (
    *(0x00, 0x08, 0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xA0, 0xA1),
    *range(0x3F8, 0x400),
    *(0x4D0, 0x4D1, 0x510, 0x511, 0xCF8, 0xCFC, 0xCF9),
)
MAPPED = (0xFEE0_0000, 0xFEC0_0000, 0xFEC0_0010, 0xA_0000, 0xF_0000, 0xFFFF_FFF0)
ROWS = tuple(named_rows().values())
IN_AND_OUT = (0xEC, 0xED, 0xEE, 0xEF)


class Stuck(AssertionError):
    """A guest kept the host from getting control back."""


def hostile_machine(rng: Random, engine: Engine) -> Machine:
    """In flat protected mode, at the first of two pages of code, with tables that may or may not make sense."""
    cpu = rng.choice(("pentium", "pentium2", "pentium3", "pentium4"))
    config = MachineConfig(MEMORY_BYTES, cpu=cpu, clock="virtual", wall_clock_unix_ns=1_000_000_000)
    machine = Machine(config, engine=engine, monotonic_ns=lambda: 0)
    machine.memory.write(0, rng.randbytes(PAGE))
    machine.memory.write(GDT, _descriptors(rng, 64))
    machine.memory.write(IDT, _gates(rng, 256))
    machine.memory.write(DIRECTORY, _page_table(rng))
    machine.memory.write(CODE, _code(rng, 2 * PAGE))
    gpr = [rng.choice((rng.getrandbits(32), CODE, DIRECTORY, *MAPPED)) for _ in range(4)]
    machine.enter(
        Entry("flat32", CODE, gpr[0], gpr[1], gpr[2], gpr[3], cs=8, data_selector=16, gdt_base=GDT, gdt_limit=0x1FF)
    )
    c = machine.processor.cpu
    c.idt_base, c.idt_limit, c.cr3 = IDT, 0x7FF, DIRECTORY
    return machine


def run(machine: Machine, instructions: int = INSTRUCTIONS) -> Stopped | None:
    """Raises Stuck when it takes too long; for the main thread only."""
    with _alarm(LONGEST_S):
        return machine.run_until(instructions)


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stuck(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _descriptors(rng: Random, count: int) -> bytes:
    """Flat code and data first; then anything, mostly present."""
    made = [0, 0x00CF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF]
    while len(made) < count:
        made.append(rng.getrandbits(64) | (0x8000_0000_0000 if rng.random() < 0.8 else 0))
    return b"".join(d.to_bytes(8, "little") for d in made)


def _gates(rng: Random, count: int) -> bytes:
    """To places within the code, through gates of all kinds."""
    made = b""
    for _ in range(count):
        at = CODE + rng.randrange(2 * PAGE)
        selector = rng.choice((8, 8, 8, 16, rng.getrandbits(9)))
        kind = rng.choice((0x8E, 0x8F, 0xEE, 0x85, 0x86, rng.getrandbits(8)))
        made += (at & 0xFFFF | selector << 16).to_bytes(4, "little")
        made += (at & 0xFFFF_0000 | kind << 8).to_bytes(4, "little")
    return made


def _page_table(rng: Random) -> bytes:
    """A directory that is also its own table: small pages, large ones, reserved bits, places without memory."""
    entries = [
        rng.choice((DIRECTORY | 7, rng.randrange(MEMORY_BYTES // PAGE) * PAGE | rng.getrandbits(9) | 1, 0x83 | 0xE0))
        for _ in range(PAGE // 4)
    ]
    return b"".join((e & 0xFFFF_FFFF).to_bytes(4, "little") for e in entries)


def _code(rng: Random, size: int) -> bytes:
    code = bytearray()
    while len(code) < size:
        kind = rng.random()
        if kind < 0.15:
            code += b"\xba" + rng.choice((*PORTS, rng.getrandbits(16))).to_bytes(4, "little")  # MOV EDX, port
            code += b"\xb8" + rng.getrandbits(32).to_bytes(4, "little") + bytes((rng.choice(IN_AND_OUT),))
        elif kind < 0.2:
            code += b"\xc7\x05" + (rng.choice(MAPPED) + rng.randrange(0, 0x400, 4) & 0xFFFF_FFFF).to_bytes(4, "little")
            code += rng.getrandbits(32).to_bytes(4, "little")  # MOV [place], value
        elif kind < 0.25:
            value = rng.choice((0x8000_0011, 0x8001_0031, 0x11, rng.getrandbits(32)))
            code += b"\xb8" + value.to_bytes(4, "little") + b"\x0f\x22" + bytes((0xC0 | rng.choice((0, 3, 4)) << 3,))
        elif kind < 0.3:
            code += rng.randbytes(rng.randrange(1, 12))
        else:
            code += instruction(rng, rng.choice(ROWS), wide=rng.random() < 0.95).code
    return bytes(code[:size])
