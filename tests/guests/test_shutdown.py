"""An interrupt that cannot be delivered, nor the faults that follow: the processor shuts down, on QEMU and on ours."""

from pathlib import Path

import pytest

from node.boot.bios import load_bios
from node.vmm.machine import Machine, MachineConfig, Stopped
from tests.support.engine import engine_named
from tests.support.guest_programs import PROGRAMS, assemble_flat, require_assembler
from tests.support.qemu_entry import require_qemu, run_rom_on_qemu

RESET = 0  # QEMU's exit status with -no-reboot; going on would be 3, hanging 124
STRETCHES = 100


@pytest.fixture
def rom(tmp_path: Path) -> bytes:
    require_assembler()
    return assemble_flat([PROGRAMS / "shutdown" / "interrupt.S"], tmp_path, origin=0)


@pytest.mark.system
def test_an_interrupt_without_a_vector_table_shuts_down_on_qemu(rom: bytes, tmp_path: Path) -> None:
    require_qemu()
    assert run_rom_on_qemu(rom, tmp_path, timeout_s=10) == (RESET, b"")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_interrupt_without_a_vector_table_shuts_down_on_our_machine(rom: bytes) -> None:
    config = MachineConfig(1 << 20, clock="virtual", exit_port=0xF4)
    machine = Machine(config, engine=engine_named("native"), monotonic_ns=lambda: 0, rom=rom)
    machine.enter(load_bios(rom))
    outcomes = (machine.advance() for _ in range(STRETCHES))
    stopped = next(outcome for outcome in outcomes if isinstance(outcome, Stopped))
    assert stopped.kind == "triple-fault"
