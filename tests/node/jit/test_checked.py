"""The build that checks every address: it catches what is not the processor's, and random programs give it nothing to
catch.

Guests are executed by processes of their own, because a violation ends its process.
"""

import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest

from node.ia32.blocks import JUMP_BYTES, JUMPS
from tests.support import seeds
from tests.support.hostile import MEMORY_BYTES

pytestmark = [pytest.mark.checked, pytest.mark.slow, pytest.mark.timeout(900)]

GUEST = """
import sys
from random import Random
from node.ia32.tlb import entry_of, install
from tests.support.engine import engine_named
from tests.support.hostile import CODE, hostile_machine

engine, code, field, change = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3], int(sys.argv[4])
mapped = int(sys.argv[5])
machine = hostile_machine(Random(1), engine_named(engine))
machine.memory.write(CODE, code)
machine.run_until(200)
assert machine.instructions == 200, machine.instructions
record = machine.processor.machine
if field == "entry":
    install(record, mapped, entry_of(record, mapped) + change)
    print(record.ram, change, flush=True)
else:
    setattr(record, field, getattr(record, field) + change)
    machine.processor.engine.flush_all()
    print(record.ram, getattr(record, field), flush=True)
machine.run_until(400)
"""
LAST, BEYOND = MEMORY_BYTES - 4, 0x9000_0000
JUMP = bytes.fromhex("bb00001000 ffe3")  # MOV EBX, CODE; JMP EBX
IDENTIFY = bytes.fromhex("b8e8030000 0fa2 ebf7")  # again: MOV EAX, 1000; CPUID; JMP again
FAR = 1 << 44
ENGINES = ("native", "copied", "translated")


def load(address: int) -> bytes:
    """again: MOV EAX, [address]; JMP again"""
    return b"\xa1" + address.to_bytes(4, "little") + b"\xeb\xf9"


@dataclass(frozen=True, slots=True)
class End:
    status: int
    ram: int
    field: int
    errors: str

    @property
    def address(self) -> int:
        """What the process was ended for."""
        return int(self.errors.split(" bytes at ")[1].split()[0], 16)


def end_of(engine: str, code: bytes, field: str, change: int) -> End:
    """After 200 instructions a number in the Machine record goes wrong, or the TLB's `entry` of the last page."""
    child = subprocess.run(
        [sys.executable, "-c", GUEST, f"checked {engine}", code.hex(), field, str(change), str(LAST)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    ram, value = map(int, child.stdout.splitlines()[-1].split())  # it may have compiled the build first, and said so
    return End(child.returncode, ram, value, child.stderr)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("at", "field", "change"),
    [
        pytest.param(LAST, "ram", FAR, id="a wild base"),
        pytest.param(LAST, "ram", 1, id="a base that is one too high"),
        pytest.param(BEYOND, "ram_bytes", BEYOND, id="more memory than there is"),
    ],
)
def test_a_load_from_outside_of_guest_memory_ends_the_process(engine: str, at: int, field: str, change: int) -> None:
    end = end_of(engine, load(at), field, change)
    assert end.status == -signal.SIGILL, end.errors
    assert "checked interpreter: 4 bytes at 0x" in end.errors and end.address == end.ram + at


@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_by_a_wild_entry_of_the_tlb_ends_the_process(engine: str) -> None:
    end = end_of(engine, load(LAST), "entry", FAR)
    assert end.status == -signal.SIGILL, end.errors
    assert "checked interpreter: 4 bytes at 0x" in end.errors and end.address == end.ram + LAST + FAR


@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_of_the_last_bytes_is_allowed(engine: str) -> None:
    end = end_of(engine, load(LAST), "ram", 0)
    assert (end.status, end.errors) == (0, "")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_table_that_the_dispatcher_looks_into_is_checked_too(engine: str) -> None:
    end = end_of(engine, JUMP, "jumps", FAR)
    assert end.status == -signal.SIGILL, end.errors
    assert end.field <= end.address < end.field + JUMPS * JUMP_BYTES


@pytest.mark.parametrize("engine", ENGINES)
def test_an_index_beyond_its_array_ends_the_process(engine: str) -> None:
    """CPUID's highest leaf is taken to be far beyond the table."""
    end = end_of(engine, IDENTIFY, "cpuid_basic", 1000)
    assert end.status == -signal.SIGILL, end.errors
    assert f"checked interpreter: index {4 * 1000:#x} is none of its array's" in end.errors


@pytest.mark.parametrize(
    ("kinds", "count"), [(("hostile",), 60), (("instructions", "bytes", "loops"), 12), (("writers", "paging"), 12)]
)
def test_programs_touch_nothing_that_is_not_their_processors(kinds: tuple[str, ...], count: int) -> None:
    options = ["--checked", "--seconds", "900", "--seed", str(seeds.seed()), "--count", str(count)]
    for kind in kinds:
        options += ["--kind", kind]
    child = subprocess.run([sys.executable, "-m", "tests.fuzz", *options], capture_output=True, text=True, timeout=800)
    assert child.returncode == 0, child.stderr[-2000:]
    assert f"no difference in {count * len(kinds)} programs" in child.stderr
