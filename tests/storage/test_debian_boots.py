"""The pulled Debian images under QEMU: they boot to a shell whose tools compute what the host's compute."""

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from storage.busybox import applets
from tests.support.cpio import read_newc
from tests.support.debian import debian_image
from tests.support.qemu_console import QEMU, QemuGuest

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]
needs_qemu = pytest.mark.skipif(QEMU is None, reason="this host has no qemu-system-i386")


@needs_qemu
@pytest.mark.parametrize("name", ["debian-12", "debian-12-686"])
def test_the_image_boots_to_a_shell_with_working_tools_and_powers_off(tmp_path: Path, name: str) -> None:
    image = debian_image(tmp_path, name)
    assert image.initrd is not None
    with QemuGuest(image.kernel, image.initrd, image.command_line, image.memory_bytes_min >> 20) as guest:
        print(guest.wait_for("# ").splitlines()[-6:])
        assert guest.run("hostname; tty") == f"{name}\n/dev/ttyS0\n"
        zeros = hashlib.sha256(bytes(1 << 20)).hexdigest()
        assert guest.run("dd if=/dev/zero bs=64k count=16 2>/dev/null | sha256sum") == f"{zeros}  -\n"
        same = (
            "dd if=/dev/urandom of=/tmp/r bs=1k count=64 2>/dev/null; gzip </tmp/r | gunzip | cmp - /tmp/r && echo same"
        )
        assert guest.run(same) == "same\n"
        assert guest.run("awk 'BEGIN { printf \"%.9f %.0f\\n\", 10/3, 65537*65537 }'") == "3.333333333 4295098369\n"
        packed = bytes.fromhex(guest.run("printf 'some text' | gzip -n | hexdump -v -e '/1 \"%02x\"'; echo").strip())
        assert gzip.decompress(packed) == b"some text"
        guest.type("poweroff -f\n")
        assert guest.exit_status() == 0


@needs_qemu
def test_the_shell_has_job_control_and_another_follows_it_and_plain_poweroff_works(tmp_path: Path) -> None:
    image = debian_image(tmp_path)
    assert image.initrd is not None
    with QemuGuest(image.kernel, image.initrd, image.command_line, 128) as guest:
        guest.wait_for(f"limosa: {image.name} ready")
        guest.wait_for("# ")
        guest.type("sleep 1000\n")
        guest.wait_for("sleep 1000\r\n")
        while not guest.heard("# "):
            guest.type("\x03")  # again: sleep may not be in the foreground yet
        assert guest.run("jobs") == ""
        assert "sleep 1000" in guest.run("sleep 1000 & jobs; kill %1")
        guest.type("exit\n")
        guest.wait_for("built-in shell (ash)")
        guest.wait_for("# ")
        guest.type("poweroff\n")
        assert guest.exit_status() == 0


def test_the_applets_found_in_the_binary_are_those_that_it_lists(tmp_path: Path) -> None:
    image = debian_image(tmp_path)
    assert image.initrd is not None
    members = {member.name: member for member in read_newc(image.initrd.read_bytes())}
    program = tmp_path / "busybox"
    program.write_bytes(members["bin/busybox"].data)
    program.chmod(0o755)
    try:
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True, timeout=60)
    except OSError:
        pytest.skip("this host does not run i386 programs")
    assert applets(program.read_bytes()) == sorted(listed.stdout.split())
    assert {f"bin/{name}" for name in listed.stdout.split()} <= members.keys()


@pytest.mark.skipif(shutil.which("cpio") is None, reason="this host has no cpio")
def test_cpio_lists_the_archive(tmp_path: Path) -> None:
    image = debian_image(tmp_path)
    assert image.initrd is not None
    command = ["cpio", "-it", "--quiet", "-F", str(image.initrd)]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert listed.returncode == 0 and not listed.stderr
    assert listed.stdout.splitlines() == [member.name for member in read_newc(image.initrd.read_bytes())]
