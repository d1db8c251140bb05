"""Every guest program in this directory, on QEMU: a program must be right before a machine of ours is measured by it.

A program ends with debug-exit value 0 when all its checks hold; the console names the line of the first that does not.
"""

from pathlib import Path

import pytest

from node.boot.bios import load_bios
from node.boot.multiboot import load_multiboot
from node.memory.ram import GuestMemory
from tests.support import guest_programs
from tests.support.qemu_entry import (
    WITH_APIC,
    WITHOUT_APIC,
    require_qemu,
    run_kernel_on_qemu,
    run_on_qemu,
    run_rom_on_qemu,
)

ON_QEMU = [name for name in guest_programs.names() if guest_programs.runs_on_qemu(name)]
GOOD = 0 << 1 | 1


@pytest.fixture(autouse=True)
def _tools() -> None:
    guest_programs.require_assembler()


@pytest.mark.parametrize("name", guest_programs.names())
def test_the_program_is_a_kernel_that_our_loader_takes(name: str, tmp_path: Path) -> None:
    memory = GuestMemory(16 << 20)
    assert load_multiboot(memory, guest_programs.assemble(name, tmp_path), "", []).eip >= 1 << 20


@pytest.mark.system
@pytest.mark.parametrize("name", ON_QEMU)
def test_all_checks_of_the_program_hold_on_qemu(name: str, tmp_path: Path) -> None:
    require_qemu()
    memory = GuestMemory(16 << 20)
    entry = load_multiboot(memory, guest_programs.assemble(name, tmp_path), "", [])
    cpu = WITH_APIC if name == "apic" else WITHOUT_APIC
    status, console = run_on_qemu(memory, entry, tmp_path, timeout_s=30, cpu=cpu)
    assert status == GOOD, console.decode()
    assert console.endswith(b" checks\n")


@pytest.mark.system
def test_a_bios_not_ours_leaves_the_data_area_like_that(tmp_path: Path) -> None:
    require_qemu()
    status, console = run_kernel_on_qemu(guest_programs.assemble("bios_data", tmp_path), tmp_path, timeout_s=30)
    assert status == GOOD, console.decode()


@pytest.mark.system
@pytest.mark.parametrize("name", guest_programs.rom_names())
def test_all_checks_of_the_rom_hold_on_qemu(name: str, tmp_path: Path) -> None:
    require_qemu()
    rom = guest_programs.assemble_rom(name, tmp_path)
    assert load_bios(rom).mode == "reset"
    assert run_rom_on_qemu(rom, tmp_path, timeout_s=30)[0] == GOOD


@pytest.mark.system
def test_a_failing_check_is_reported(tmp_path: Path) -> None:
    """On a ROM with one constant changed: the programs can fail."""
    require_qemu()
    rom = guest_programs.assemble_rom("real_mode", tmp_path)
    returns_0x4242 = b"\xb8\x42\x42\xcb"
    assert rom.count(returns_0x4242) == 1
    status, _ = run_rom_on_qemu(rom.replace(returns_0x4242, b"\xb8\x43\x42\xcb"), tmp_path, timeout_s=30)
    assert status == 12 << 1 | 1
