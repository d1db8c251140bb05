"""Instructions on devices' memory: the same in registers, flags and bytes as on ordinary memory, in whatever pieces
they are executed; and what a device is asked, and when.
"""

import struct
from dataclasses import dataclass, field
from random import Random

import pytest

from node.ia32.models import MODELS
from node.ia32.processor import DEVICES, Processor
from node.ia32.reset import enter_flat32, reset
from node.ia32.segments import refresh
from node.ia32.state import (
    CF,
    CS,
    DF,
    DS,
    EAX,
    EBP,
    EBX,
    ECX,
    EDI,
    EDX,
    ES,
    ESI,
    ESP,
    EXIT_EOI,
    EXIT_HALT,
    EXIT_MEMORY,
    EXIT_NONE,
    EXIT_TIME,
    IF,
    M32,
    RF,
    SS,
)
from node.memory.ram import GuestMemory
from tests.support.engine import ENGINES, engine_named
from tests.support.seeds import random_for

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

CODE, AREA, AREA_BYTES = 0x1000, 0x1_0000, 0x3000
DEVICE = DEVICES[0]
HLT = b"\xf4"

INSTRUCTIONS = {
    "mov from": "8B 03", "mov to": "89 03", "movzx": "0F B6 03", "mov selector": "8C 1B", "mov word": "66 89 03",
    "add to": "01 03", "adc to": "11 03", "sub from": "2B 03", "inc": "FF 03", "neg": "F7 1B", "not": "F6 13",
    "rol": "C1 03 05", "rcl": "D1 13", "shld": "0F A4 03 07", "btc": "0F BA 3B 07", "xchg": "87 03", "mul": "F7 23",
    "lock xadd": "F0 0F C1 03", "lock cmpxchg": "F0 0F B1 03", "cmpxchg8b": "0F C7 0B", "sete": "0F 94 03",
    "push": "FF 33", "pop": "8F 03", "pusha": "60", "popa": "61", "pushf": "9C", "enter": "C8 20 00 03", "leave": "C9",
    "movsd": "A5", "movsb": "A4", "stosw": "66 AB", "lodsd": "AD", "cmpsd": "A7", "scasb": "AE",
    "rep movsd": "F3 A5", "rep movsb": "F3 A4", "rep stosd": "F3 AB", "rep stosb": "F3 AA", "rep lodsw": "66 F3 AD",
    "repe cmpsb": "F3 A6", "repne scasb": "F2 AE",
    "fld": "DD 03", "fstp": "DB 3B", "fild": "DF 2B", "fnsave": "DD 33", "frstor": "DD 23", "fnstenv": "D9 33",
    "movq from": "0F 6F 03", "movq to": "0F 7F 03", "movups from": "0F 10 03", "movups to": "0F 11 03",
    "paddd": "66 0F FE 0B", "fxsave": "0F AE 03",
}  # fmt: skip
ALIGNED = ("paddd", "fxsave")


@dataclass
class Device:
    """Memory of the host's: what it is asked, in order."""

    content: bytearray
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def serve(self, processor: Processor) -> None:
        m = processor.machine
        if m.posted == 0:
            at, size = m.bus_address - DEVICE, m.bus_size
            self.asked.append(("read", at, size))
            m.answer[m.answers] = int.from_bytes(self.content[at : at + size], "little")
            m.answers += 1
        for i in range(m.posted):
            at, size = m.posted_address[i] - DEVICE, m.posted_size[i]
            self.asked.append(("write", at, size))
            self.content[at : at + size] = m.posted_value[i].to_bytes(size, "little")
        m.posted = 0


class Place:
    """A processor whose data segments lie at `base`: in memory, or on a device."""

    def __init__(self, engine: str, code: bytes, base: int, content: bytes) -> None:
        self.memory = GuestMemory(1 << 20)
        self.processor = Processor(self.memory, engine_named(engine), MODELS["pentium4"])
        self.c, self.m = self.processor.cpu, self.processor.machine
        reset(self.c, self.m)
        enter_flat32(self.c, self.m, 0x08, 0x10, CODE)
        self.c.cr4 = 0x200
        self.c.ftw, self.c.fcw = 0, 0x37F
        for segment in (DS, ES, SS):
            self.c.base[segment] = base
        refresh(self.c, self.m)
        self.memory.write(CODE, code + HLT)
        self.memory.write(AREA, content)
        self.device = Device(bytearray(content))
        self.base = base

    def run(self, pieces: list[int]) -> None:
        """To HLT, `pieces` instructions at a time, in turn."""
        for turn in range(10_000):
            reason = self.processor.run(pieces[turn % len(pieces)])
            while reason == EXIT_MEMORY:
                reads = self.m.posted == 0
                self.device.serve(self.processor)
                reason = self.processor.run(1) if reads else EXIT_NONE
            if reason == EXIT_HALT:
                return
            assert reason in (EXIT_NONE, EXIT_TIME)  # FERR# may change
        raise AssertionError("it does not come to an end")

    @property
    def content(self) -> bytes:
        return bytes(self.device.content) if self.base == DEVICE else self.memory.read(AREA, AREA_BYTES)

    def state(self) -> dict[str, object]:
        self.processor.engine.materialise()
        record = self.processor.cpu_array[0]
        names = [n for n in record.dtype.names if n not in ("base", "apic_since")]
        return {name: record[name].tolist() for name in names} | {"memory": self.content}


def prepare(place: Place, rng: Random, *, aligned: bool) -> None:
    """Addresses in the middle of the area, now and then where two pages meet."""
    c = place.c
    for register in (EAX, EDX):
        c.gpr[register] = rng.randrange(1 << 32)
    for register in (EBX, ESI, EDI, EBP, ESP):
        near = 0x1000 if rng.random() < 0.4 else 0x800
        c.gpr[register] = rng.randrange(near - 8, near + 8)
    if aligned:
        c.gpr[EBX] &= ~0xF
    c.gpr[ESP] += 0x1000  # behind the frame that ENTER copies
    c.gpr[ECX] = rng.randrange(12)
    c.flags = 2 | rng.choice((0, DF))
    c.cc_op, c.cc_dst = 0, rng.choice((0, CF))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_an_instruction_does_on_a_device_what_it_does_in_memory(engine: str, name: str) -> None:
    rng = random_for(f"bus {name}")
    code = bytes.fromhex(INSTRUCTIONS[name].replace(" ", ""))
    for _ in range(3):
        content = rng.randbytes(AREA_BYTES)
        pieces = [rng.randrange(1, 5) for _ in range(4)]
        start = rng.getstate()
        states = []
        for base in (AREA, DEVICE):
            rng.setstate(start)
            place = Place(engine, code, base, content)
            prepare(place, rng, aligned=name in ALIGNED)
            place.run(pieces)
            states.append(place.state())
        memory, device = states
        assert {k: v for k, v in device.items() if v != memory[k]} == {}
        assert place.device.asked or (name.startswith(("rep", "leave")))


def on_device(engine: str, code: str, **registers: int) -> Place:
    place = Place(engine, bytes.fromhex(code.replace(" ", "")), DEVICE, bytes(range(256)) * 48)
    for name, value in registers.items():
        place.c.gpr[{"eax": EAX, "ebx": EBX, "ecx": ECX, "esi": ESI, "edi": EDI, "esp": ESP}[name]] = value
    return place


@pytest.mark.parametrize("engine", ENGINES)
def test_a_device_is_asked_once_for_each_access_and_written_when_the_instruction_is_complete(engine: str) -> None:
    place = on_device(engine, "01 03 F3 A5", ebx=0x10, ecx=2, esi=0x20, edi=0x40)
    place.run([1000])
    moved = [("read", 0x20, 4), ("write", 0x40, 4), ("read", 0x24, 4), ("write", 0x44, 4)]
    assert place.device.asked == [("read", 0x10, 4), ("write", 0x10, 4), *moved]


@pytest.mark.parametrize("engine", ENGINES)
def test_across_two_pages_each_byte_is_its_own(engine: str) -> None:
    place = on_device(engine, "8B 03", ebx=0xFFE)
    place.run([1000])
    assert place.device.asked == [("read", 0xFFE + i, 1) for i in range(4)]
    assert place.c.gpr[EAX] == 0x0100_FFFE


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fault_behind_a_read_leaves_the_device_unwritten_and_the_instruction_to_be_done_again(engine: str) -> None:
    place = on_device(engine, "A5", esi=0x10, edi=0x20)
    place.c.limit[ES] = 0x10
    refresh(place.c, place.m)
    assert place.processor.run(1) == EXIT_MEMORY
    place.device.serve(place.processor)
    place.processor.run(1)
    assert place.device.asked == [("read", 0x10, 4)]
    assert (place.c.gpr[ESI], place.m.answers, place.m.posted) == (0x10, 0, 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_between_question_and_answer_the_processor_is_one_that_has_not_begun(engine: str) -> None:
    """So a machine that is saved there and restored elsewhere asks again."""
    place = on_device(engine, "90 01 03", ebx=0x10, eax=5)
    place.c.flags |= RF
    assert place.processor.run(100) == EXIT_MEMORY
    record = place.processor.cpu_array.tobytes()
    assert (place.c.eip, place.c.instructions) == (CODE + 1, 1)
    other = on_device(engine, "90 01 03")
    other.processor.cpu_array[:] = place.processor.cpu_array
    other.processor.drop_derived()
    other.run([7])
    assert record == place.processor.cpu_array.tobytes()
    place.processor.drop_derived()
    place.run([7])
    assert place.state() == other.state() and place.device.asked == other.device.asked


@pytest.mark.parametrize("engine", ENGINES)
def test_no_interrupt_comes_between_a_devices_answer_and_its_instruction(engine: str) -> None:
    place = on_device(engine, "8B 03", ebx=0x10)
    place.c.flags |= IF
    assert place.processor.run(10) == EXIT_MEMORY
    place.m.interrupt_line = 1
    place.device.serve(place.processor)
    assert place.processor.run(1) == EXIT_NONE
    assert (place.c.eip, place.c.gpr[EAX]) == (CODE + 2, 0x1312_1110)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_processor_cannot_do_again_reaches_no_device(engine: str) -> None:
    """An exception whose frame would lie on a device: the delivery goes through, and nothing is written."""
    place = on_device(engine, "0F 0B", esp=0x100)
    gate = struct.pack("<HHHH", CODE + 2, 0x08, 0x8E00, 0)
    descriptor = struct.pack("<HHBBBB", 0xFFFF, 0, 0, 0x9B, 0xCF, 0)
    place.memory.write(0x2000 + 6 * 8, gate)
    place.memory.write(0x3008, descriptor)
    place.c.idt_base, place.c.idt_limit, place.c.gdt_base, place.c.gdt_limit = 0x2000, 0x7FF, 0x3000, 0xF
    place.run([100])
    assert place.device.asked == [] and place.c.gpr[ESP] == 0x100 - 12


@pytest.mark.parametrize("engine", ENGINES)
def test_the_local_apic_is_reached_at_once_and_knows_the_time_to_the_instruction(engine: str) -> None:
    """11 instructions between two reads of the timer, one of them a string of 5; a tick is an instruction here."""
    code = "C7 83 80 03 00 00 00 01 00 00  8B 83 90 03 00 00 90 90 90 90 F3 AB 90 90 2B 83 90 03 00 00"
    place = on_device(engine, code, ebx=0, ecx=3, edi=AREA)
    for segment in (DS, ES):
        place.c.base[segment] = 0
    place.c.gpr[EBX] = 0xFEE0_0000
    place.c.apic[0x3E] = 0xB
    place.m.tsc_per_instruction = 1 << 16
    refresh(place.c, place.m)
    place.run([1000])
    assert place.device.asked == [] and place.c.gpr[EAX] == 10


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupt_of_the_local_apic_is_taken_without_the_host(engine: str) -> None:
    """A message to itself, as soon as the instruction that sends it is complete."""
    place = on_device(engine, "C7 03 31 00 04 00 90 90")
    place.c.base[DS] = place.c.base[SS] = 0
    place.c.gpr[EBX], place.c.gpr[ESP] = 0xFEE0_0300, 0x8000
    place.c.apic[0x0F] = 0x1FF
    place.c.flags |= IF
    place.memory.write(0x2000 + 0x31 * 8, struct.pack("<HHHH", CODE + 8, 0x08, 0x8E00, 0))
    place.memory.write(0x3008, struct.pack("<HHBBBB", 0xFFFF, 0, 0, 0x9B, 0xCF, 0))
    place.c.idt_base, place.c.idt_limit, place.c.gdt_base, place.c.gdt_limit = 0x2000, 0x7FF, 0x3000, 0xF
    refresh(place.c, place.m)
    assert place.processor.run(1000) == EXIT_HALT
    assert int.from_bytes(place.memory.read(place.c.gpr[ESP], 4), "little") == CODE + 6
    assert place.c.apic[0x11] == 1 << 0x11 and place.m.interrupts == 1 and place.c.instructions == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("offset", "reason"), [(0x380, EXIT_TIME), (0x0B0, EXIT_EOI)])
def test_the_host_hears_of_a_nearer_deadline_and_of_the_end_of_a_level(engine: str, offset: int, reason: int) -> None:
    place = on_device(engine, "C7 03 40 42 0F 00 90 90")
    place.c.base[DS] = 0
    place.c.gpr[EBX] = 0xFEE0_0000 + offset
    place.c.apic[0x0F], place.c.apic[0x32] = 0x1FF, 0x41
    place.c.apic[0x12] = place.c.apic[0x1A] = 2  # vector 41h in service, level-triggered
    refresh(place.c, place.m)
    assert place.processor.run(1000) == reason
    assert (place.c.eip, place.c.instructions) == (CODE + 6, 1)
    assert place.m.eoi_vector == (0x41 if reason == EXIT_EOI else 0)


def test_code_is_not_fetched_from_devices() -> None:
    place = on_device("plain", "90")
    place.c.base[CS] = DEVICE - CODE
    place.c.limit[CS] = M32
    place.processor.run(1)
    assert place.device.asked == []
