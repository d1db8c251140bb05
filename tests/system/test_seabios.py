"""Firmware not written here: SeaBIOS as Debian packages it (`seabios`), from the reset vector to its search for a disk.

Its way leads through real mode, 16- and 32-bit protected mode and back, through shadow RAM, the PCI bus and the timers;
what it prints comes through its own BIOS services, which it sends to COM1 because the machine has no screen.
"""

from pathlib import Path

import pytest

from tests.support import native_cache
from tests.support.foreground_guest import READY_S, ForegroundGuest, boot_to_end

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]

DIRECTORY = Path("/usr/share/seabios")
ROMS = ["bios.bin", "bios-256k.bin"]


@pytest.fixture(params=ROMS)
def rom(request: pytest.FixtureRequest) -> str:
    file = DIRECTORY / str(request.param)
    if not file.exists():
        pytest.skip(f"no {file}: install Debian's package seabios")
    return str(file)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    native_cache.share_with(tmp_path)
    return tmp_path


def test_it_starts_and_looks_for_a_disk(state: Path, rom: str) -> None:
    messages = state / "messages"
    with ForegroundGuest(state, "--bios", rom, "--debugcon", f"0x402,{messages}") as guest:
        guest.wait_for("SeaBIOS (version 1.", READY_S)
        guest.wait_for("Booting from Floppy...", READY_S)
        guest.wait_for("Booting from Hard Disk...", READY_S)
        guest.wait_for("No bootable device.", READY_S)
    assert "Found 1 cpu(s) max supported 1 cpu(s)\n" in messages.read_text()


def test_on_the_virtual_clock_it_gives_up_at_once_and_the_same_each_time(state: Path, rom: str) -> None:
    """After a minute of its own time, with a reset, which ends the machine."""
    runs = []
    for _ in range(2):
        done = boot_to_end(state, "--bios", rom, "--clock", "virtual", "--stats")
        figures = dict(line.split() for line in done.stderr.decode().splitlines() if len(line.split()) == 2)
        assert b"Retrying in 60 seconds" in done.stdout and b"Rebooting" in done.stdout
        runs.append((done.returncode, done.stdout, figures["instructions"]))
    assert runs[0] == runs[1]
    assert runs[0][0] == 0
