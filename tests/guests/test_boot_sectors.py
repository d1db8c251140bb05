"""A DOS of our own, from the boot sector to its programs: under our BIOS on our machine, and under SeaBIOS on QEMU.

Boot sector, kernel and file system are proven by a BIOS and a processor that are not ours; then they prove ours.
"""

from itertools import pairwise
from pathlib import Path

import pytest
import xxhash

from node.boot.bios import load_bios
from node.migration import snapshot
from node.vmm.machine import Machine, MachineConfig, Stopped
from tests.support import boot_disk
from tests.support.engine import engine_named
from tests.support.floppy import padded
from tests.support.guest_programs import require_assembler
from tests.support.qemu_entry import require_qemu, run_rom_on_qemu, run_seabios_on_qemu
from tests.support.seeds import random_for

GOOD, ONE_FAILED = 0 << 1 | 1, 1 << 1 | 1
CONFIG = MachineConfig(8 << 20, clock="virtual", exit_port=0xF4)
ENGINES = ("native", "copied", "translated")
MOST_INSTRUCTIONS, MOST_NS = 20_000_000, 60_000_000_000  # of the guest's time, which passes also while it halts
SEARCHED = 500  # instructions, when a moment is looked for
QEMU_TIMEOUT_S = 30

CHECKS = """
ok boot sector
ok BIOS data area, INT 11h and 12h
ok INT 10h
ok INT 16h
ok INT 13h
ok INT 21h: version and vectors
a program, in clusters far from each other, is all there!
ok EXEC of a program from a scattered file
ok INT 1Ch while a program halts, INT 20h
ok INT 8: 8254 and 8259 in our own hands
ok REP MOVSW with a prefix, interrupted
ok counter 2 of the 8254
ok which processor it is
ok the coprocessor's 16-bit state
ok SMSW and LMSW
ok vector table moved by LIDT
ok DAA and DAS
ok AAA, AAS, AAM and AAD
ok divide error
ok INTO and BOUND
ok single step
ok strings backwards, across a segment's end
ok code that changes itself
ok A20
ok 4 GiB segments in real mode
ok INT 15h, AH=87h
a line from protected mode
ok 32-bit protected mode and back
end of checks
""".strip().splitlines()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    require_assembler()
    return boot_disk.files(tmp_path)


@pytest.fixture
def image(files: dict[str, bytes], tmp_path: Path) -> bytes:
    return boot_disk.boot_floppy(files, tmp_path, random_for("boot sectors"))


@pytest.fixture
def rom(image: bytes, tmp_path: Path) -> bytes:
    return boot_disk.rom_with(image, tmp_path)


def lines_of_the_kernel(console: str) -> list[str]:
    """Without what boot sector and checks have printed through INT 10h, which our BIOS sends to COM1, too."""
    return [line for line in console.splitlines() if line not in ("Loading", "*")]


def machine_with(rom: bytes, engine: str = "native") -> Machine:
    machine = Machine(CONFIG, engine=engine_named(engine), monotonic_ns=lambda: 0, rom=rom)
    machine.enter(load_bios(rom))
    return machine


def console_of(machine: Machine) -> str:
    return machine.console.read(0)[1].decode()


def run_to_end(machine: Machine) -> Stopped:
    while machine.instructions < MOST_INSTRUCTIONS and machine.now < MOST_NS:
        outcome = machine.advance()
        if isinstance(outcome, Stopped):
            return outcome
    raise AssertionError(f"still running:\n{console_of(machine)}")


def run_until_it_says(machine: Machine, text: str) -> None:
    while text not in console_of(machine):
        assert machine.instructions < MOST_INSTRUCTIONS and machine.now < MOST_NS, console_of(machine)
        assert not isinstance(machine.advance(), Stopped), console_of(machine)


def digest(machine: Machine) -> str:
    state = xxhash.xxh3_128(machine.memory.view)
    state.update(snapshot.encode(machine.records()))
    return state.hexdigest()


@pytest.mark.system
def test_seabios_boots_it_from_a_floppy_drive_of_qemu(image: bytes, tmp_path: Path) -> None:
    require_qemu()
    status, console = run_seabios_on_qemu(padded(image), tmp_path, timeout_s=QEMU_TIMEOUT_S)
    assert console.decode().splitlines() == CHECKS
    assert status == GOOD


@pytest.mark.system
def test_our_bios_boots_it_on_qemu(rom: bytes, tmp_path: Path) -> None:
    require_qemu()
    status, console = run_rom_on_qemu(rom, tmp_path, timeout_s=QEMU_TIMEOUT_S)
    assert lines_of_the_kernel(console.decode()) == CHECKS
    assert status == GOOD


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_our_bios_boots_it_on_our_machine_with_every_engine_alike(rom: bytes) -> None:
    ends: dict[str, tuple[int, str]] = {}
    for engine in ENGINES:
        machine = machine_with(rom, engine)
        stopped = run_to_end(machine)
        assert lines_of_the_kernel(console_of(machine)) == CHECKS, engine
        assert (stopped.kind, stopped.exit_status) == ("exit", GOOD), engine
        ends[engine] = machine.instructions, digest(machine)
    assert len(set(ends.values())) == 1, ends


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_goes_on_in_a_copy_made_in_the_middle_of_any_check(rom: bytes) -> None:
    """A20 off, segments wider than their mode allows, half-way between modes: all that is in a snapshot."""
    rng = random_for("copies of a DOS")
    original = machine_with(rom)
    lines = [1, *ends_of_lines(machine_with(rom))]
    moments = [rng.randrange(*span) for span in pairwise(lines)]
    ends: dict[int, str] = {}  # by the moment of the copy
    for moment in sorted(moments):
        original.run_until(moment)
        copy = Machine(CONFIG, engine=engine_named("native"), monotonic_ns=lambda: 0, rom=rom)
        copy.memory.view[:] = original.memory.view
        snapshot.decode(snapshot.encode(original.records()), copy.records())
        copy.loaded()
        run_to_end(copy)
        ends[moment] = digest(copy)
        copy.memory.close()
    assert run_to_end(original).exit_status == GOOD
    assert ends == dict.fromkeys(ends, digest(original))


def ends_of_lines(machine: Machine) -> list[int]:
    """After how many instructions, about, lines of the console were complete."""
    ends: list[int] = []
    complete = 0
    for moment in range(SEARCHED, MOST_INSTRUCTIONS, SEARCHED):
        if machine.run_until(moment) is not None:
            return ends
        if console_of(machine).count("\n") > complete:
            ends.append(moment)
            complete = console_of(machine).count("\n")
    raise AssertionError(f"still running:\n{console_of(machine)}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_disk_without_a_kernel_says_so_and_waits_for_a_key(files: dict[str, bytes], tmp_path: Path) -> None:
    del files[boot_disk.KERNEL]
    image = boot_disk.boot_floppy(files, tmp_path, random_for("no kernel"))
    machine = machine_with(boot_disk.rom_with(image, tmp_path))
    run_until_it_says(machine, "Loading\r\nNo KERNEL.SYS\r\n")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_disk_without_the_signature_is_not_booted(image: bytes, tmp_path: Path) -> None:
    machine = machine_with(boot_disk.rom_with(image[:510] + bytes(2) + image[512:], tmp_path))
    assert run_to_end(machine).kind == "halted"
    assert console_of(machine) == "Not a boot disk\r\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_failing_check_is_reported(files: dict[str, bytes], tmp_path: Path) -> None:
    exits_with_42 = b"\xb8\x2a\x4c\xcd\x21"
    assert files["HELLO.COM"].count(exits_with_42) == 1
    files["HELLO.COM"] = files["HELLO.COM"].replace(exits_with_42, b"\xb8\x29\x4c\xcd\x21")
    image = boot_disk.boot_floppy(files, tmp_path, random_for("boot sectors"))
    machine = machine_with(boot_disk.rom_with(image, tmp_path))
    assert run_to_end(machine).exit_status == ONE_FAILED
    assert "\nFAILED EXEC of a program from a scattered file, step 03\r\n" in console_of(machine)
