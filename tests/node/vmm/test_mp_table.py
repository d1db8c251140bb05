"""The MP table, read as a kernel reads it: found by its signature on a 16-byte boundary, believed by its checksums."""

import struct

import pytest

from node.boot.entry import Entry
from node.boot.memory_map import Kind, memory_map
from node.ia32.models import MODELS
from node.ia32.processor import PlainEngine
from node.vmm.machine import Machine, MachineConfig

SIZES = {0: 20, 1: 8, 2: 8, 3: 8, 4: 8}


def entered(cpu: str) -> Machine:
    machine = Machine(MachineConfig(4 << 20, cpu=cpu), engine=PlainEngine(), monotonic_ns=lambda: 0)
    machine.enter(Entry(mode="flat32", eip=0x10_0000, cs=8, data_selector=16))
    return machine


def find(machine: Machine) -> tuple[int, bytes]:
    """Where the search areas of the specification (4) have the table: its address and octets."""
    for start, end in ((0, 0x400), (0x9FC00, 0xA0000)):
        for at in range(start, end, 16):
            pointer = machine.memory.read(at, 16)
            if pointer[:4] == b"_MP_" and pointer[8] == 1 and sum(pointer) % 256 == 0:
                (table,) = struct.unpack_from("<I", pointer, 4)
                (length,) = struct.unpack_from("<H", machine.memory.read(table, 6), 4)
                return table, machine.memory.read(table, length)
    raise AssertionError("there is no MP table")


def entries(table: bytes) -> list[bytes]:
    found, at = [], 44
    while at < len(table):
        size = SIZES[table[at]]
        found.append(table[at : at + size])
        at += size
    assert at == len(table)
    return found


@pytest.mark.parametrize("cpu", MODELS)
def test_a_kernel_finds_one_processor_and_one_io_apic(cpu: str) -> None:
    machine = entered(cpu)
    at, table = find(machine)
    assert table[:4] == b"PCMP" and sum(table) % 256 == 0 and table[6] == 4
    assert struct.unpack_from("<I", table, 36) == (0xFEE0_0000,)
    found = entries(table)
    assert struct.unpack_from("<H", table, 34) == (len(found),)
    processors, io_apics = ([e for e in found if e[0] == kind] for kind in (0, 2))
    model = MODELS[cpu]
    assert [struct.unpack("<BBBBII", e[:12])[3:] for e in processors] == [(3, model.signature, model.features)]
    assert [struct.unpack("<BBBBI", e) for e in io_apics] == [(2, 1, 0x11, 1, 0xFEC0_0000)]
    reserved = [r for r in memory_map(4 << 20) if r.kind is Kind.RESERVED]
    assert any(r.start <= at and at + len(table) <= r.end for r in reserved)


def test_every_irq_has_its_input_and_the_8259_pair_lint0() -> None:
    found = entries(find(entered("i686"))[1])
    wires = {(e[5], e[7]) for e in found if e[0] == 3 and e[1] == 0}
    assert wires == {(0, 2), *((irq, irq) for irq in range(1, 16) if irq != 2)}
    assert {(e[1], e[7]) for e in found if e[0] == 4} == {(3, 0), (1, 1)}
