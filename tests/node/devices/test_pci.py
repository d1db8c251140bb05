"""PCI configuration mechanism 1 and the i440FX's two functions."""

import pytest

from tests.node.devices.pc import Pc

HOST, ISA = 0x8000_0000, 0x8000_0800


def config(pc: Pc, function: int, register: int, width: int = 4) -> int:
    pc.outl(0xCF8, function | register & 0xFC)
    return pc.platform.read(0xCFC + (register & 3), width, 0)


def set_config(pc: Pc, function: int, register: int, width: int, value: int) -> None:
    pc.outl(0xCF8, function | register & 0xFC)
    pc.platform.write(0xCFC + (register & 3), width, value, 0)


def test_the_machine_looks_like_an_i440fx_with_a_piix3() -> None:
    pc = Pc()
    assert config(pc, HOST, 0x00) == 0x1237_8086 and config(pc, HOST, 0x08) >> 8 == 0x060000
    assert config(pc, ISA, 0x00) == 0x7000_8086 and config(pc, ISA, 0x08) >> 8 == 0x060100
    assert config(pc, HOST, 0x0E, 1) == 0 and config(pc, ISA, 0x0E, 1) == 0, "single-function, type 0"


@pytest.mark.parametrize("function", [0x8000_1000, 0x8000_0100, 0x8001_0000, 0x0000_0000, 0x8000_F800])
def test_absent_functions_other_buses_and_a_disabled_address_read_all_ones(function: int) -> None:
    pc = Pc()
    assert config(pc, function, 0) == 0xFFFF_FFFF
    set_config(pc, function, 4, 4, 0)
    assert config(pc, function, 0, 2) == 0xFFFF and config(pc, function, 3, 1) == 0xFF


def test_registers_can_be_read_by_byte_word_and_double_word() -> None:
    pc = Pc()
    assert [config(pc, HOST, offset, 1) for offset in range(4)] == [0x86, 0x80, 0x37, 0x12]
    assert [config(pc, HOST, offset, 2) for offset in (0, 1, 2)] == [0x8086, 0x3780, 0x1237]


def test_the_address_is_a_double_word_register_only() -> None:
    pc = Pc()
    pc.outl(0xCF8, 0xFFFF_FFFF)
    assert pc.inl(0xCF8) == 0x80FF_FFFC
    pc.outb(0xCF8, 0)
    pc.outb(0xCFB, 1)
    assert pc.inl(0xCF8) == 0x80FF_FFFC and pc.inb(0xCFB) == 0xFF


def test_identity_is_read_only_and_pam_is_held() -> None:
    pc = Pc()
    set_config(pc, HOST, 0x00, 4, 0)
    assert config(pc, HOST, 0x00) == 0x1237_8086
    set_config(pc, HOST, 0x58, 4, 0xFFFF_FFFF)
    set_config(pc, HOST, 0x5C, 4, 0xFFFF_FFFF)
    assert pc.platform.pam == b"\x30\x33\x33\x33\x33\x33\x33"
    assert config(pc, HOST, 0x5F, 1) == 0x33


def test_interrupt_routing_of_the_isa_bridge_is_held() -> None:
    pc = Pc()
    assert config(pc, ISA, 0x60) == 0x8080_8080
    set_config(pc, ISA, 0x62, 1, 0x0B)
    assert config(pc, ISA, 0x60) == 0x800B_8080
