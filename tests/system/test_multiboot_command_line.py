"""A Multiboot kernel is told the same command line by `limosa boot --kernel` as by QEMU's -kernel."""

import shutil
import subprocess
from pathlib import Path

import pytest

from node.guests.builtin import KERNEL
from tests.support import native_cache
from tests.support.foreground_guest import boot_to_end
from tests.support.qemu_entry import QEMU, require_qemu

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]

NAME, LINE = "my-own.kernel", "exit  code=1"
QEMU_TIMEOUT_S = 30


def told(console: bytes) -> str:
    """What the guest was told, which its first line repeats."""
    return console.decode().splitlines()[0].partition(" KiB of memory: ")[2]


def on_qemu(kernel: Path) -> bytes:
    command = [
        *(QEMU, "-accel", "tcg", "-kernel", kernel.name, "-append", LINE, "-display", "none", "-nodefaults"),
        *("-no-reboot", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
    ]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=QEMU_TIMEOUT_S, cwd=kernel.parent, check=False
    ).stdout


def test_it_begins_with_the_kernels_file_name(tmp_path: Path) -> None:
    require_qemu()
    native_cache.share_with(tmp_path)
    kernel = tmp_path / NAME
    shutil.copyfile(KERNEL, kernel)
    ours = boot_to_end(tmp_path, "--kernel", str(kernel), "--append", LINE, "--exit-port", "0xf4").stdout
    assert told(ours) == told(on_qemu(kernel)) == f"{NAME} {LINE}"
