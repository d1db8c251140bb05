"""Which memory lies between 0xC0000 and 0xFFFFF; the ROM `tests/guests/shadow_ram` checks it from the inside."""

from node.ia32.physical import MAP_READ, MAP_WRITE, backing_of
from node.ia32.processor import PlainEngine
from node.vmm.machine import Machine, MachineConfig
from node.vmm.shadow_ram import page_attributes

ROM_BYTES = 64 << 10
RAM_BYTES = 1 << 20


def machine() -> Machine:
    config = MachineConfig(RAM_BYTES, clock="virtual")
    return Machine(config, engine=PlainEngine(), monotonic_ns=lambda: 0, rom=bytes(ROM_BYTES))


def set_pam(machine: Machine, register: int, value: int) -> None:
    machine.platform.write(0xCF8, 4, 0x8000_0000 | register & 0xFC, 0)
    machine.platform.write(0xCFC + (register & 3), 1, value, 0)


def test_each_register_is_two_areas_of_16_kib_but_the_first_is_one_of_64() -> None:
    for register in range(1, 7):
        pam = bytes(0x21 if number == register else 0 for number in range(7))
        first = (register - 1) * 8
        assert page_attributes(pam) == bytes(first) + b"\x01" * 4 + b"\x02" * 4 + bytes(64 - first - 8)
    assert page_attributes(b"\x30" + bytes(6)) == bytes(48) + b"\x03" * 16


def test_a_machine_that_takes_over_a_snapshot_has_its_shadow_ram() -> None:
    source, target = machine(), machine()
    set_pam(source, 0x59, 0x30)
    set_pam(source, 0x5A, 0x10)
    for name, record in source.records().items():
        target.records()[name][...] = record
    target.loaded()
    m = target.processor.machine
    assert backing_of(m, 0xF0000) == 0xF0000 | MAP_READ | MAP_WRITE
    assert backing_of(m, 0xC4000) == 0xC4000 | MAP_READ
    assert backing_of(m, 0xC0000) == 0
    set_pam(source, 0x59, 0x00)
    target.records()["pci_host"][...] = source.records()["pci_host"]
    target.loaded()
    assert backing_of(m, 0xF0000) == RAM_BYTES | MAP_READ, "the ROM again"
