"""Firmware of another family: the BIOS of Bochs as Debian packages it (`bochsbios`), up to its search for a disk.

It insists on a keyboard, of which it expects each answer that the PS/2's manual gives, and on the usual PCI chips. It
has no way to COM1, so only its messages to port 402h are seen.
"""

import os
from pathlib import Path

import pytest

from tests.support import native_cache
from tests.support.foreground_guest import boot_to_end

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]

DIRECTORY = Path("/usr/share/bochs")


@pytest.mark.parametrize("rom", ["BIOS-bochs-latest", "BIOS-bochs-legacy"])
def test_it_starts_and_looks_for_a_disk(tmp_path: Path, rom: str) -> None:
    file = DIRECTORY / rom
    if not file.exists():
        missing = f"no {file}: install Debian's package bochsbios"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    native_cache.share_with(tmp_path)
    messages = tmp_path / "messages"
    done = boot_to_end(tmp_path, "--bios", str(file), "--clock", "virtual", "--debugcon", f"0x402,{messages}")
    assert done.returncode == 0, done.stderr.decode()
    said = messages.read_text()
    assert "Keyboard error" not in said and said.endswith("No bootable device.\n")
