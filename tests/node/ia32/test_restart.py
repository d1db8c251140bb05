"""Every system operation, with each page that it might touch taken away or write-protected in turn.

The operation must then either not care, or raise a page fault that leaves the processor exactly as it was (World.do
checks that); and once the page is there it must end in the same state as if nothing had happened. An operating system
that pages anything out relies on this (SDM 3A 6.5).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from node.ia32.semantics import descriptor_tables, far, flags_stack, interrupts, io, segmentation
from node.ia32.semantics.control_registers import lmsw, smsw
from node.ia32.state import DS, EAX, EBX, EDI, ESI, ESP, NT, PAGE, TR, VM
from node.ia32.tlb import flush_all
from tests.node.ia32.protected_world import (
    CODE0,
    CODE1,
    CODE3,
    CONFORMING,
    DATA0,
    DATA3,
    LDT_SELECTOR,
    SCRATCH,
    TSS,
    TSS2,
    TSS2_SELECTOR,
    World,
    descriptor,
    gate,
)

REG, MEM = 0, 1
OPERAND = 0xCFFE  # a memory operand across pages C and D
PAGES = range(1, 0x10)
TABLE = 0x11000  # where map_pages puts the page table
ACROSS_TSS = 0xDFD0  # a TSS across pages D and E


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    semantic: Callable[..., Any]
    constants: tuple[int, ...]
    fields: dict[str, int]
    level: int = 0
    frame: tuple[int, ...] = ()  # on top of the stack
    size: int = 4
    prepare: Callable[[World], None] | None = None
    changes: dict[str, int] = field(default_factory=dict)


def call_gate(world: World) -> None:
    world.put_descriptor(SCRATCH, gate(CODE0, 0x6500, 0xEC, 3))


def local_data(world: World) -> None:
    world.put_descriptor(0x0C, descriptor(0, 0xFFFFF, 0xC92))  # in the LDT, not yet accessed


def unaccessed(world: World) -> None:
    world.put_descriptor(SCRATCH, descriptor(0, 0xFFFFF, 0xC92))
    world.put_descriptor(0x60, descriptor(0, 0xFFFFF, 0xC9A))


def v86(world: World) -> None:
    world.enter_v86(iopl=3)
    for i, word in enumerate((0x10, 0x600, 2)):
        world.poke(0xA000 + 2 * i, word, 2)


def second_task(world: World) -> None:
    world.put_descriptor(TSS2_SELECTOR, descriptor(ACROSS_TSS, 0x67, 0x89))
    _fill_task(world, ACROSS_TSS)


def caller_task(world: World) -> None:
    second_task(world)
    world.put_descriptor(TSS2_SELECTOR, descriptor(ACROSS_TSS, 0x67, 0x8B))
    world.poke(TSS, TSS2_SELECTOR, 2)
    world.c.flags |= NT


def own_task_across(world: World) -> None:
    _fill_task(world, TSS2)
    world.memory.write(ACROSS_TSS, world.memory.read(TSS, 0x68))
    world.c.base[TR] = ACROSS_TSS


def _fill_task(world: World, base: int) -> None:
    for slot, value in ((0x1C, 0x10000), (0x20, 0x6500), (0x24, 2), (0x38, 0x7800)):
        world.poke(base + slot, value)
    for i, selector in enumerate((DATA0, CODE0, DATA0, DATA0, 0, 0, LDT_SELECTOR)):
        world.poke(base + 0x48 + 4 * i, selector)


def bitmap(world: World) -> None:
    world.c.base[TR], world.c.limit[TR] = ACROSS_TSS, 0x2FFF
    world.memory.write(ACROSS_TSS, world.memory.read(TSS, 0x68))
    world.poke(ACROSS_TSS + 0x66, 0x68, 2)
    answered(world)


def answered(world: World) -> None:
    world.m.io_ready, world.m.io_value = 1, 0x1234_5678


FAR = {"length": 7, "imm": 0x6500}
OPERATIONS = [
    Operation("mov ds", segmentation.load_selector, (REG,), {"a": DS, "b": EBX}, changes={"ebx": DATA3}),
    Operation(
        "mov ds, [m]", segmentation.load_selector, (MEM,), {"a": DS, "disp": 0xCFFF}, changes={"operand": DATA0 << 8}
    ),
    Operation(
        "mov ds, local",
        segmentation.load_selector,
        (REG,),
        {"a": DS, "b": EBX},
        prepare=local_data,
        changes={"ebx": 0x0C},
    ),
    Operation("mov ss", segmentation.load_ss, (REG,), {"b": EBX}, prepare=unaccessed, changes={"ebx": SCRATCH}),
    Operation("pop ds", segmentation.pop_segment, (4, DS), {}, frame=(DATA3,)),
    Operation("pop ss", segmentation.pop_ss, (4,), {}, frame=(SCRATCH,), prepare=unaccessed),
    Operation("push ds", segmentation.push_segment, (4, DS), {}),
    Operation("lds", segmentation.load_far_pointer, (4, DS), {"a": EAX, "disp": OPERAND}),
    Operation("mov [m], ds", segmentation.store_selector, (4, MEM), {"a": DS, "disp": 0xCFFF}),
    Operation("jmp far", far.far_direct, (4, 0), {**FAR, "disp": 0x60}, prepare=unaccessed),
    Operation("jmp far [m]", far.far_indirect, (4, 0), {"disp": 0xCFFA}),
    Operation("call far", far.far_direct, (4, 1), {**FAR, "disp": CONFORMING}, level=3),
    Operation("call gate", far.far_direct, (4, 1), {**FAR, "disp": SCRATCH}, 3, (1, 2, 3), prepare=call_gate),
    Operation("retf", far.return_far, (4,), {"imm": 8}, 0, (0x6500, CODE0)),
    Operation("retf out", far.return_far, (4,), {"imm": 8}, 0, (0x6500, CODE3, 7, 8, 0x9F00, DATA3)),
    Operation("iret", far.iret, (4,), {}, 3, (0x6500, CODE3, 2)),
    Operation("iret out", far.iret, (4,), {}, 0, (0x6500, CODE3, 2, 0x9F00, DATA3)),
    Operation("iret v86", far.iret, (4,), {}, 0, (0x65, 0x600, VM | 2, 0x100, 0x900, 1, 2, 3, 4)),
    Operation("iret in v86", far.iret, (2,), {}, prepare=v86),
    Operation("int, same level", interrupts.int_n, (), {"imm": 0x30}),
    Operation("int, inner level", interrupts.int_n, (), {"imm": 0x30}, level=3),
    Operation("int, level 1", interrupts.int_n, (), {"imm": 0x31}, level=3),
    Operation("int from v86", interrupts.int_n, (), {"imm": 0x30}, prepare=v86),
    Operation("int, task gate", interrupts.int_n, (), {"imm": 0x32}, prepare=second_task),
    Operation("call task", far.far_direct, (4, 1), {**FAR, "disp": TSS2_SELECTOR}, prepare=second_task),
    Operation("jmp task", far.far_direct, (4, 0), {**FAR, "disp": TSS2_SELECTOR}, prepare=own_task_across),
    Operation("iret to task", far.iret, (4,), {"length": 1}, prepare=caller_task),
    Operation("bound", interrupts.bound, (4,), {"a": EAX, "disp": 0xCFFC}, changes={"eax": 0x90000}),
    Operation("ltr", descriptor_tables.ltr, (REG,), {"b": EBX}, changes={"ebx": TSS2_SELECTOR}),
    Operation("lldt [m]", descriptor_tables.lldt, (MEM,), {"disp": 0xCFFF}, changes={"operand": LDT_SELECTOR << 8}),
    Operation("lar", descriptor_tables.lar, (4, REG), {"a": EAX, "b": EBX}, changes={"ebx": DATA0}),
    Operation("lsl", descriptor_tables.lsl, (4, REG), {"a": EAX, "b": EBX}, changes={"ebx": 0x0C}, prepare=local_data),
    Operation("verw [m]", descriptor_tables.verify, (MEM, 1), {"disp": 0xCFFF}),
    Operation("arpl [m]", descriptor_tables.arpl, (MEM,), {"a": EBX, "disp": 0xCFFF}, changes={"ebx": 3}),
    Operation("sgdt", descriptor_tables.store_table, (0,), {"disp": OPERAND}),
    Operation("lidt", descriptor_tables.load_table, (4, 1), {"disp": OPERAND}),
    Operation("str [m]", descriptor_tables.store_system_selector, (4, MEM, TR), {"disp": 0xCFFF}),
    Operation("smsw [m]", smsw, (4, MEM), {"disp": 0xCFFF}),
    Operation("lmsw [m]", lmsw, (MEM,), {"disp": 0xCFFF}),
    Operation("pushf", flags_stack.pushf, (4,), {}, level=3),
    Operation("popf", flags_stack.popf, (4,), {}, 3, (0x8D7,)),
    Operation("ins", io.ins, (4,), {}, prepare=answered),
    Operation("outs", io.outs, (4,), {}),
    Operation("ins, asking", io.ins, (4,), {}),
    Operation("in by bitmap", io.in_dx, (2,), {}, level=3, prepare=bitmap),
]


def world_of(x: Operation) -> World:
    """Stacks whose frames cross a page: level 0's top is at 8008, level 1's at 9008, level 3's at A008."""
    world = World()
    world.poke(TSS + 4, 0x8008)
    world.poke(TSS + 12, 0x9008)
    world.gate(0x30, CODE0, 0x6500, 0xEE)
    world.gate(0x31, CODE1, 0x6500, 0xEE)
    world.gate(0x32, TSS2_SELECTOR, 0, 0xE5)
    world.enter_level(x.level)
    c = world.c
    c.gpr[ESP] += 8 if x.frame == () else 8 - x.size * len(x.frame)
    for i, word in enumerate(x.frame):
        world.poke(int(c.gpr[ESP]) + x.size * i, word, x.size)
    c.gpr[EAX], c.gpr[EBX] = x.changes.get("eax", 5), x.changes.get("ebx", 0)
    c.gpr[EDI] = c.gpr[ESI] = OPERAND
    world.memory.write(0xCFFA, b"\x00\x65\x00\x00\x08\x00\x08\x00\x10\x00")
    if "operand" in x.changes:
        world.poke(0xCFFE, x.changes["operand"])
    if x.prepare is not None:
        x.prepare(world)
    return world


def state(world: World) -> tuple[bytes, bytes]:
    """The processor (but for CR2) and all memory below the page tables."""
    cpu = world.cpu_array.copy()
    cpu["cr2"] = 0
    return cpu.tobytes(), world.memory.read(0, 0x10000)


@pytest.mark.parametrize("kind", ["absent", "read-only"])
@pytest.mark.parametrize("x", OPERATIONS, ids=lambda x: x.name)
def test_an_operation_that_meets_a_page_fault_can_be_executed_again(x: Operation, kind: str) -> None:
    undisturbed = world_of(x)
    undisturbed.map_pages(absent=set(), supervisor=set(), read_only=set())
    assert undisturbed.do(x.semantic, *x.constants, **x.fields) is None
    faults = 0
    for page in PAGES:
        world = world_of(x)
        gone = {page}
        world.map_pages(
            absent=gone if kind == "absent" else set(), supervisor=set(), read_only=gone if kind != "absent" else set()
        )
        fault = world.do(x.semantic, *x.constants, **x.fields)
        if fault is not None:
            assert fault[0] == PAGE
            assert world.c.cr2 >> 12 == page
            faults += 1
            world.poke(TABLE + page * 4, page << 12 | 7)
            flush_all(world.m)
            assert world.do(x.semantic, *x.constants, **x.fields) is None
        assert state(world) == state(undisturbed)
    assert faults > 0 or kind == "read-only"
