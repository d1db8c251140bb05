"""Stock Debian kernels under `limosa boot`: a shell whose tools compute what the host's compute, and a clean end.

Each test prints what it measured; nothing here asserts a time.
"""

import base64
import gzip
import hashlib
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.local import LocalImage
from tests.support.cpio import read_newc
from tests.support.foreground_guest import (
    COMPILED_S,
    PROMPT,
    READY_S,
    ForegroundGuest,
    boot_to_end,
    state_with_image,
)
from tests.support.kernel_messages import complaints

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]

KERNELS = ["debian-12", "debian-12-686"]
MEMORY = ("--memory", "64M")

# Integers, and doubles with every digit: a root by Newton, an exponential by its series. The guest's x87 computes them.
ARITHMETIC = """awk 'BEGIN { for (i = 1; i <= 40; i++) {
  r = i; for (k = 0; k < 40; k++) r = (r + i / r) / 2
  e = t = 1; for (k = 1; k < 60; k++) { t = t * i / 9 / k; e += t }
  s += r / 7 - e / 1e9; printf "%.17g %.17g %.17g %d\\n", s, r, e, i * 65537 % 9973 } }'"""
TEXT = (
    "seq 1 2000 | sort -r | tr 0-4 a-e | sed 's/9$/nine/' | grep -c nine; seq 1 999 | sha512sum; "
    "echo '3 k 7 65 ^ 3 / p' | dc; printf '%x %o\\n' 3735928559 511"
)


@pytest.fixture(scope="module", params=KERNELS)
def booted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ForegroundGuest, LocalImage]]:
    """A guest at its shell's prompt; afterwards it is powered off, which must end the command with status 0."""
    state, image = state_with_image(tmp_path_factory.mktemp("boot"), request.param)
    with ForegroundGuest(state, "--image", request.param, *MEMORY, "--stats") as guest:
        begun = time.monotonic()
        ready = guest.wait_for(f"limosa: {request.param} ready", COMPILED_S)
        guest.wait_for(PROMPT)
        print(f"{request.param}: {ready.count(chr(10))} lines to the shell in {time.monotonic() - begun:.1f} s")
        yield guest, image
        guest.type("poweroff -f\n")
        assert guest.exit_status() == 0
        said = guest.said()
        print(said)
        assert re.search(r"^instructions +\d{9,}$", said, re.MULTILINE) and "crashed" not in said


def test_random_data_of_the_guest_has_the_digests_that_the_host_finds(
    booted: tuple[ForegroundGuest, LocalImage],
) -> None:
    guest, _ = booted
    guest.run("dd if=/dev/urandom of=/tmp/r bs=1k count=24 2>/dev/null")
    content = base64.b64decode(guest.run("base64 /tmp/r"))
    assert len(content) == 24 << 10 and len(gzip.compress(content)) > 24_000, "random, and all of it"
    expected = [f"{algorithm(content).hexdigest()}  -\n" for algorithm in (hashlib.sha256, hashlib.md5)]
    assert guest.run("sha256sum </tmp/r; md5sum </tmp/r") == "".join(expected)
    assert guest.run("gzip </tmp/r | gunzip | cmp - /tmp/r && echo same") == "same\n"


def test_what_one_side_packs_the_other_unpacks(booted: tuple[ForegroundGuest, LocalImage]) -> None:
    guest, _ = booted
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    content = random.Random(seed).randbytes(1500) * 20
    guest.type("echo rea''dy; base64 -d >/tmp/h.gz\n")
    guest.wait_for("ready\r\n")
    guest.type(base64.encodebytes(gzip.compress(content)).decode() + "\x04")
    assert guest.run("gunzip </tmp/h.gz >/tmp/h; sha256sum </tmp/h") == f"{hashlib.sha256(content).hexdigest()}  -\n"
    assert gzip.decompress(base64.b64decode(guest.run("gzip </tmp/h | base64"))) == content


def test_the_same_busybox_gives_the_same_digits_on_the_host(
    booted: tuple[ForegroundGuest, LocalImage], tmp_path: Path
) -> None:
    guest, image = booted
    on_the_host = _busybox_on_the_host(image, tmp_path)
    for script in (ARITHMETIC, TEXT):
        assert guest.run(script) == on_the_host(script)


def _busybox_on_the_host(image: LocalImage, directory: Path) -> Callable[[str], str]:
    """Runs a script by the very binary that the guest has, on the host's CPU."""
    assert image.initrd is not None
    members = [m for m in read_newc(image.initrd.read_bytes()) if m.name.startswith("bin/")]
    for member in members:
        (directory / Path(member.name).name).symlink_to("busybox")
    program = directory / "busybox"
    program.unlink()
    program.write_bytes(next(m.data for m in members if m.name == "bin/busybox"))
    program.chmod(0o755)

    def run(script: str) -> str:
        done = subprocess.run(
            [program, "sh", "-c", script], env={"PATH": str(directory)}, capture_output=True, text=True, timeout=60
        )
        assert not done.stderr
        return done.stdout

    try:
        run("true")
    except OSError:
        pytest.skip("this host does not run i386 programs")
    return run


@pytest.mark.parametrize("name", KERNELS)
def test_debians_own_command_line_boots_too(tmp_path: Path, name: str) -> None:
    state, image = state_with_image(tmp_path, name)
    assert image.initrd is not None
    files = ("--kernel", str(image.kernel), "--initrd", str(image.initrd), "--append", "console=ttyS0")
    with ForegroundGuest(state, *files, *MEMORY) as guest:
        begun = time.monotonic()
        said = guest.wait_for("ready after", COMPILED_S)
        guest.wait_for("# ", READY_S)
        print(f"{name}: shell after {time.monotonic() - begun:.1f} s")
        assert "Kernel command line: console=ttyS0\n" in said
        assert guest.run("cat /proc/cmdline") == "console=ttyS0\n"
        messages = guest.run("dmesg")
        assert "Linux version" in messages and "Run /init as init process" in messages, "all of them"
        assert "serio: i8042 KBD port at 0x60,0x64 irq 1" in messages
        assert "input: AT Translated Set 2 keyboard as " in messages
        assert complaints(messages) == []
        guest.type("poweroff -f\n")
        assert guest.exit_status() == 0


@pytest.mark.parametrize("name", KERNELS)
def test_two_boots_on_the_virtual_clock_are_the_same_to_the_last_instruction(tmp_path: Path, name: str) -> None:
    state, _ = state_with_image(tmp_path, name)
    script = "mount -t proc p /proc; date; head -c 999 /dev/urandom | sha256sum; cat /proc/interrupts; poweroff -f"
    options = ("--image", name, *MEMORY, "--clock", "virtual", "--append", f'rdinit=/bin/busybox -- sh -c "{script}"')
    runs = []
    for _turn in range(2):
        done = boot_to_end(state, *options, "--stats")
        assert done.returncode == 0, done.stderr.decode()
        figures = dict(line.split() for line in done.stderr.decode().splitlines() if len(line.split()) == 2)
        runs.append((done.stdout.decode(), figures["instructions"], figures["interrupts"]))
    console, instructions, _ = runs[0]
    assert "reboot: System halted" in console and len(re.findall(r"^[0-9a-f]{64}  -", console, re.MULTILINE)) == 1
    assert runs[0] == runs[1]
    assert interrupts_of(console, "IO-APIC +2-edge +timer") > 0 and interrupts_of(console, "Local timer") > 100
    assert complaints(console) == []
    print(f"{name}: {len(console.splitlines())} lines and {instructions} instructions, twice")


def interrupts_of(console: str, what: str) -> int:
    """From /proc/interrupts; 0 if there is no such line."""
    line = re.search(rf"^ *\w+: +(\d+) .*{what}", console, re.MULTILINE)
    return int(line[1]) if line else 0


def console_of(state: Path, options: tuple[str, ...], command_line: str) -> str:
    """What a kernel says until its shell has shown /proc/interrupts; under the virtual clock, so always the same."""
    script = "mount -t proc p /proc; cat /proc/interrupts; poweroff -f"
    append = ("--append", f'{command_line} rdinit=/bin/busybox -- sh -c "{script}"')
    done = boot_to_end(state, *options, *MEMORY, "--clock", "virtual", *append)
    assert done.returncode == 0, done.stderr.decode()
    console = done.stdout.decode()
    assert complaints(console) == []
    return console


@pytest.mark.parametrize(
    ("option", "timer", "local"), [("noapic", "XT-PIC +timer", True), ("nolapic", "XT-PIC +timer", False)]
)
def test_a_kernel_can_be_told_to_leave_the_apics_alone(tmp_path: Path, option: str, timer: str, local: bool) -> None:
    state, _ = state_with_image(tmp_path, "debian-12")
    console = console_of(state, ("--image", "debian-12"), option)
    assert interrupts_of(console, timer) > 0 and "IO-APIC " not in console
    assert (interrupts_of(console, "Local timer") > 100) == local


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_that_is_told_nothing_measures_both_timers_right(tmp_path: Path, name: str) -> None:
    """The time-stamp counter by the 8254, the local APIC's timer by the time-stamp counter; with all its messages.
    Two parts in a thousand are what an interrupt's handler takes while the kernel looks."""
    state, image = state_with_image(tmp_path, name)
    options = ("--kernel", str(image.kernel), "--initrd", str(image.initrd))
    console = console_of(state, options, "console=ttyS0 cryptomgr.notests debug apic=verbose")
    tsc, bus = (re.search(rf"{what} ([\d.]+) MHz", console) for what in ("tsc: Detected", "host bus clock speed is"))
    assert tsc and abs(float(tsc[1]) - 1000) < 0.5 and bus and abs(float(bus[1]) - 1000) < 2
    assert "verify APIC timer" in console and interrupts_of(console, "Local timer") > 100


def test_a_virtual_clock_serves_a_shell_too(tmp_path: Path) -> None:
    state, _ = state_with_image(tmp_path, "debian-12")
    with ForegroundGuest(state, "--image", "debian-12", *MEMORY, "--clock", "virtual") as guest:
        guest.wait_for(PROMPT, COMPILED_S)
        assert guest.run("date +%Y; sleep 100; date +%Y") == "2026\n2026\n", "a hundred seconds pass at once"
        guest.type("poweroff -f\n")
        assert guest.exit_status() == 0


def test_end_of_input_leaves_linux_running(tmp_path: Path) -> None:
    state, _ = state_with_image(tmp_path, "debian-12")
    with ForegroundGuest(state, "--image", "debian-12", *MEMORY) as guest:
        guest.wait_for(PROMPT, COMPILED_S)
        guest.type("sleep 2; echo still a''live; poweroff -f\n")
        guest.end_input()
        guest.wait_for("still alive")
        assert guest.exit_status() == 0
