"""A machine that answers polls of COM1, takes its output and reads the timer without exits is at every instruction in
the state of one that asks for each access: random drivers of UART and timer, both interrupt controllers' ways, input in
between.

A driver is a loop of port accesses, what they read stored in memory, and one handler for every vector.
"""

from collections.abc import Iterator
from random import Random

import pytest
import xxhash

from node.boot.entry import Entry
from node.devices.pit import FREQUENCY, SECOND
from node.devices.platform import Platform
from node.ia32.processor import Processor
from node.ia32.state import EBP, EBX, EDI, ESP, SINK_BYTES
from node.migration import snapshot
from node.vmm.machine import Machine, MachineConfig, Stopped
from node.vmm.mode import Native
from tests.support.engine import ENGINES, engine_named
from tests.support.seeds import random_for

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

DATA, IER, FCR, LCR, MCR, LSR, MSR = 0x3F8, 0x3F9, 0x3FA, 0x3FB, 0x3FC, 0x3FD, 0x3FE
POLLED = (IER, FCR, LSR, LSR, LSR, MSR)
SETTINGS = (
    *((IER, value) for value in (0, 1, 2, 2, 7, 7)), *((FCR, value) for value in (0x00, 0x01, 0xC7)),
    *((MCR, value) for value in (0x0B, 0x0B, 0x03, 0x1B)), (LCR, 0x03), (LCR, 0x03), (LCR, 0x83),
    (0x21, 0xEF), (0x21, 0xEF), (0x21, 0xFF), (0x20, 0x20),
)  # fmt: skip
COUNT, CONTROL, GATE = 0x42, 0x43, 0x61
TIMER_WRITES = (
    *((CONTROL, value) for value in (0xB0, 0xB0, 0xB2, 0xB4, 0xB6, 0xB8, 0xB1, 0x90, 0x80, 0xC8, 0xE8)),
    (COUNT, 0), (COUNT, 0xFF), (COUNT, 0xFF), (GATE, 1), (GATE, 1), (GATE, 0),
)  # fmt: skip
SVR, EOI, TPR, LINT0 = 0xF0, 0xB0, 0x80, 0x350
APIC_WRITES = (
    (EOI, 0), (SVR, 0x1FF), (SVR, 0xFF), (TPR, 0), (TPR, 0x60),
    (LINT0, 0x700), (LINT0, 0x400), (LINT0, 0x155), (LINT0, 0x1_0000),
)  # fmt: skip
ENTRIES = (
    0x54,
    0x54,
    0x54,
    0x8054,
    0x2054,
    0x400,
    0x5,
    0x1_0054,
)  # the I/O APIC's: edge, level, active low, NMI, illegal
CODE, HANDLER, IDT, GDT, STORED, STACK = 0x10_0000, 0x11_0000, 0x2000, 0x3000, 0x20_0000, 0x9000
CLI, STI, HLT = b"\xfa", b"\xfb", b"\xf4"


class Asking(Native):
    """As it was before anything was lent."""

    def lend_ports(self, processor: Processor, platform: Platform, *, exact: bool) -> None:
        pass


def out(port: int, value: int) -> bytes:
    return b"\x66\xba" + port.to_bytes(2, "little") + b"\xb0" + bytes([value]) + b"\xee"


def stored_in(port: int) -> bytes:
    return b"\x66\xba" + port.to_bytes(2, "little") + b"\xec\x88\x07\x47"  # in al, dx; mov [edi], al; inc edi


def store(displacement: int, value: int, base: bytes = b"\x83") -> bytes:
    return b"\xc7" + base + displacement.to_bytes(4, "little") + value.to_bytes(4, "little")


def local_apic(register: int, value: int) -> bytes:
    return store(register, value)  # EBX points to it


def io_apic_input_4(entry: int) -> bytes:
    return store(0, 0x18, b"\x85") + store(0x10, entry, b"\x85")  # EBP points to it


def pieces(rng: Random, count: int) -> Iterator[bytes]:
    for _ in range(count):
        match rng.randrange(14):
            case 0 | 1 | 2 | 3:
                yield from (out(DATA, rng.randrange(256)) for _ in range(rng.randrange(1, 8)))
            case 4 | 5 | 6:
                yield stored_in(rng.choice(POLLED))
            case 7:
                yield out(*rng.choice(SETTINGS))
            case 8:
                yield local_apic(*rng.choice(APIC_WRITES))
            case 9:
                yield io_apic_input_4(rng.choice(ENTRIES))
            case 10:
                yield out(*rng.choice(TIMER_WRITES))
            case 11:
                yield stored_in(COUNT)
            case _:
                yield rng.choice((STI, STI, CLI, stored_in(DATA)))


def driver(rng: Random) -> bytes:
    start = out(0x20, 0x11) + out(0x21, 0x30) + out(0x21, 4) + out(0x21, 1)
    loop = local_apic(SVR, 0x1FF) + local_apic(LINT0, rng.choice((0x700, 0x1_0000))) + local_apic(TPR, 0)
    loop += out(LCR, 3) + out(MCR, 0x0B) + out(0x21, 0xEF) + io_apic_input_4(rng.choice(ENTRIES))
    loop += out(IER, rng.choice((0, 2, 7))) + STI
    loop += out(GATE, 1) + out(CONTROL, 0xB0) + out(COUNT, 0xFF) + out(COUNT, 0xFF)
    loop += b"".join(pieces(rng, 50))
    return start + loop + b"\xe9" + (-len(loop) - 5).to_bytes(4, "little", signed=True)


def handler(rng: Random) -> bytes:
    pushed, popped = b"\x50\x52", b"\x5a\x58"
    body = b"".join(piece for piece in pieces(rng, 3) if piece not in (STI, CLI))
    return pushed + body + out(0x20, 0x20) + local_apic(EOI, 0) + popped + b"\xcf"


def machine_of(code: bytes, handler_code: bytes, engine: str) -> Machine:
    config = MachineConfig(4 << 20, cpu="pentium4", clock="virtual")
    machine = Machine(config, engine=engine_named(engine), monotonic_ns=_no_clock)
    machine.memory.write(CODE, code)
    machine.memory.write(HANDLER, handler_code)
    machine.memory.write(GDT + 8, bytes.fromhex("ffff0000009bcf00ffff00000093cf00"))
    gate = (HANDLER & 0xFFFF_0000 | 0x8E00) << 32 | 8 << 16 | HANDLER & 0xFFFF
    machine.memory.write(IDT, gate.to_bytes(8, "little") * 256)
    machine.enter(Entry(mode="flat32", eip=CODE, cs=8, data_selector=16, gdt_base=GDT, gdt_limit=0x17))
    c = machine.processor.cpu
    c.gpr[EBX], c.gpr[EBP], c.gpr[EDI], c.gpr[ESP] = 0xFEE0_0000, 0xFEC0_0000, STORED, STACK
    c.idt_base, c.idt_limit = IDT, 0x7FF
    return machine


def _no_clock() -> int:
    raise AssertionError("the virtual clock read the host's")


def digest(machine: Machine) -> str:
    return xxhash.xxh3_128(bytes(machine.memory.view) + snapshot.encode(machine.records())).hexdigest()


@pytest.mark.parametrize("engine", ENGINES)
def test_at_every_instruction_the_state_is_that_of_a_machine_which_asks(engine: str) -> None:
    asked = spared = interrupts = 0
    for number in range(20 if engine == "native" else 2):
        rng = random_for(f"drivers {number}")
        program = driver(rng), handler(rng)
        asking, sparing = machine_of(*program, "native"), machine_of(*program, engine)
        asking.mode = Asking()
        moments = sorted(rng.sample(range(1, 6000 if engine == "native" else 1500), 30))
        for moment in moments:
            typed = rng.randbytes(rng.randrange(3))
            for machine in (asking, sparing):
                assert machine.run_until(moment) is None
                assert machine.platform.serial_input(typed, machine.now) == len(typed)
            assert asking.instructions == sparing.instructions == moment
            assert digest(sparing) == digest(asking), f"driver {number} between {moment} and the moment before"
        asked, spared = asked + asking.exits["io"], spared + asking.exits["io"] - sparing.exits["io"]
        interrupts += sparing.stats()["interrupts"]
        for machine in (asking, sparing):
            machine.memory.close()
    assert spared > asked // 5 and (interrupts > 50 or engine != "native")


def test_a_kernel_that_measures_by_the_timer_leaves_for_none_of_its_reads() -> None:
    measure = out(GATE, 1) + out(CONTROL, 0xB0) + out(COUNT, 0xFF) + out(COUNT, 0xFF) + stored_in(COUNT) * 1000
    machine = machine_of(measure + CLI + HLT, b"", "native")
    assert isinstance(machine.run_until(1_000_000), Stopped)
    assert machine.exits["io"] == 4
    read = bytes(machine.memory.read(STORED, 1000))
    counts = [low | high << 8 for low, high in zip(read[::2], read[1::2], strict=True)]
    fallen = counts[0] - counts[-1]  # 499 pairs of eight instructions, ten nanoseconds each
    assert abs(fallen - 499 * 8 * 10 * FREQUENCY / SECOND) <= 2
    assert counts == sorted(counts, reverse=True) and len(set(counts)) > 40


def writer(count: int) -> bytes:
    return b"\x66\xba" + DATA.to_bytes(2, "little") + b"\xb9" + count.to_bytes(4, "little") + b"\x88\xc8\xee\xe2\xfb"


@pytest.mark.parametrize("engine", ["native", "translated"])
def test_a_flood_of_output_leaves_when_the_sink_is_full(engine: str) -> None:
    count = SINK_BYTES + 1000
    machine = machine_of(writer(count) + CLI + HLT, b"", engine)
    assert isinstance(machine.run_until(1_000_000), Stopped)
    assert machine.console.read(0)[1] == bytes(i & 0xFF for i in range(count, 0, -1))
    assert machine.exits["io"] == 2  # the first byte, of which the UART had to be asked, and one behind a full sink


def test_what_has_been_written_is_in_a_snapshot_taken_anywhere() -> None:
    machine = machine_of(writer(100) + CLI + HLT, b"", "native")
    for instructions in range(2, 200):
        assert machine.run_until(instructions) is None
        written = (instructions - 2 + 1) // 3  # mov mov, then mov out loop
        assert int(machine.records()["console"]["total"][0]) == written
    assert machine.exits["io"] == 1
