"""The measured programs compute what the host computes: here, a few rounds on our machine; and on QEMU, for a judge."""

import re
import subprocess

import pytest

from node.boot.multiboot import load_multiboot
from node.ia32.processor import Engine
from node.vmm.machine import Machine, MachineConfig, Stopped
from tests.benchmarks.cpu.build import IMAGE
from tests.benchmarks.cpu.machines import GOOD, Guest, Qemu
from tests.benchmarks.cpu.programs import PROGRAMS, Program
from tests.support.engine import engine_named
from tests.support.qemu_entry import require_qemu

ROUNDS = 3
MEMORY_MIB = 128
MOST_INSTRUCTIONS = 500_000_000
EACH = pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_named("native")


def console_of(engine: Engine, line: str, memory_mib: int = MEMORY_MIB) -> tuple[Stopped, str]:
    config = MachineConfig(memory_mib << 20, clock="virtual", exit_port=0xF4)
    machine = Machine(config, engine=engine, monotonic_ns=lambda: 0)
    machine.enter(load_multiboot(machine.memory, IMAGE.read_bytes(), line, []))
    while machine.instructions < MOST_INSTRUCTIONS:
        outcome = machine.advance()
        if isinstance(outcome, Stopped):
            return outcome, machine.console.read(0)[1].decode().replace("\r", "")
    raise AssertionError(f"still running:\n{machine.console.read(0)[1].decode()}")


def computed(program: Program, console: str) -> int:
    found = re.search(rf"^begin {program.name}\nend {program.name} ([0-9a-f]{{8}}) \d+\n", console, re.MULTILINE)
    assert found is not None, console
    return int(found[1], 16)


@pytest.mark.slow
@pytest.mark.timeout(900)
@EACH
def test_the_program_computes_on_our_machine_what_the_host_computes(engine: Engine, program: Program) -> None:
    stopped, console = console_of(engine, f"{program.name} n={ROUNDS} exit=0")
    assert stopped.exit_status == GOOD, console
    if "not available" not in console:
        assert computed(program, console) == program.checksum(ROUNDS)


@pytest.mark.system
@EACH
def test_the_program_computes_on_qemu_what_the_host_computes(program: Program) -> None:
    require_qemu()
    command = Qemu().command(Guest(IMAGE, f"{program.name} n={ROUNDS} exit=0", MEMORY_MIB))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False)
    console = done.stdout.decode(errors="replace").replace("\r", "")
    assert done.returncode == GOOD, console
    assert computed(program, console) == program.checksum(ROUNDS)


def test_rounds_enter_the_checksum() -> None:
    """So that a machine which skips one is found."""
    for program in PROGRAMS:
        if program.name not in ("integer", "chase", "quicksort"):  # these take seconds
            assert len({program.checksum(rounds) for rounds in (1, 2, 3)}) == 3, program.name


@pytest.mark.slow
def test_chase_says_that_it_needs_memory(engine: Engine) -> None:
    stopped, console = console_of(engine, "chase n=1 exit=0", memory_mib=32)
    assert stopped.exit_status == 0xFF
    assert "chase needs 65536 KiB of memory" in console
