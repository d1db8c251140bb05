"""Every guest program, and the built-in guest, on our machine: its interpreter, its devices, virtual time.

The interpreter is compiled once into LIMOSA_TEST_CACHE or the user's cache directory, which the first run waits for.
"""

from pathlib import Path

import pytest

from node.boot.bios import load_bios
from node.boot.multiboot import load_multiboot
from node.guests.builtin import builtin_kernel
from node.ia32.processor import Engine
from node.vmm.machine import Machine, MachineConfig, Stopped
from tests.support import guest_programs
from tests.support.engine import engine_named

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GOOD = 0 << 1 | 1
CPUS = dict.fromkeys(("apic", "breakpoints", "strict", "vectors", "virtual_interrupts"), "pentium4")
MOST_INSTRUCTIONS = 200_000_000


@pytest.fixture(scope="module", params=["native", pytest.param("checked copied", marks=pytest.mark.checked)])
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_named(request.param)


def machine_of(engine: Engine, *, rom: bytes = b"", cpu: str = "i686") -> Machine:
    config = MachineConfig(16 << 20, cpu=cpu, clock="virtual", exit_port=0xF4)
    return Machine(config, engine=engine, monotonic_ns=lambda: 0, rom=rom)


def run(machine: Machine) -> tuple[Stopped, str]:
    while machine.instructions < MOST_INSTRUCTIONS:
        outcome = machine.advance()
        if isinstance(outcome, Stopped):
            return outcome, machine.console.read(0)[1].decode()
    raise AssertionError(f"still running:\n{machine.console.read(0)[1].decode()}")


@pytest.mark.parametrize("name", guest_programs.names())
def test_all_checks_of_the_program_hold(engine: Engine, name: str, tmp_path: Path) -> None:
    guest_programs.require_assembler()
    machine = machine_of(engine, cpu=CPUS.get(name, "i686"))
    machine.enter(load_multiboot(machine.memory, guest_programs.assemble(name, tmp_path), "", []))
    stopped, console = run(machine)
    assert (stopped.kind, stopped.exit_status) == ("exit", GOOD), console
    assert console.endswith(" checks\n")


@pytest.mark.parametrize("name", guest_programs.rom_names())
def test_all_checks_of_the_rom_hold(engine: Engine, name: str, tmp_path: Path) -> None:
    guest_programs.require_assembler()
    rom = guest_programs.assemble_rom(name, tmp_path)
    machine = machine_of(engine, rom=rom)
    machine.enter(load_bios(rom))
    assert run(machine)[0].exit_status == GOOD


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("exit code=0", "exit code=0"),
        ("tick count=3 exit=0", "tick 3"),
        ("work n=1 exit=0", "sha256=2fa83584b642c69719b8266e8abdfaf9"),
        ("dirty rate=2000 pages=300 seconds=3 sweep=1 exit=0", "written=6000 sweeps=4 errors=0"),
        ("dirty rate=max pages=100 seconds=1 exit=0", "errors=0"),
    ],
)
def test_the_built_in_guest_ends_well(engine: Engine, line: str, last: str) -> None:
    machine = machine_of(engine)
    machine.enter(load_multiboot(machine.memory, builtin_kernel(), line, []))
    stopped, console = run(machine)
    assert (stopped.kind, stopped.exit_status) == ("exit", GOOD), console
    assert last in console.splitlines()[-1]


@pytest.mark.parametrize(("address", "error"), [(0, "00000002"), (0x5000_0000, "00000002"), (0x10_0000, "00000003")])
def test_a_fault_of_the_built_in_guest_is_reported(engine: Engine, address: int, error: str) -> None:
    machine = machine_of(engine)
    machine.enter(load_multiboot(machine.memory, builtin_kernel(), f"fault address={address} exit=0", []))
    stopped, console = run(machine)
    assert stopped.exit_status == 0xFF
    assert f"FAULT vector=14 (page fault) error={error}" in console
