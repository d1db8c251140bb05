"""Stock Debian kernels: unpacked by the host, they start in the state that we leave, and reach their shell on QEMU."""

from pathlib import Path

import pytest

from node.boot.entry import Entry
from node.boot.linux import load_linux, unpack_linux
from node.memory.ram import GuestMemory
from tests.support.qemu_entry import require_qemu, run_on_qemu
from tests.support.unicorn_cpu import UnicornCpu

pytestmark = pytest.mark.slow

IMAGES = ["debian-12", "debian-12-686"]
MIB = 1 << 20
PAGING = 0x8000_0000
KERNEL_HALF = 0xC000_0000


class NoDevices:
    def read(self, port: int, width: int) -> int:
        return (1 << 8 * width) - 1

    def write(self, port: int, width: int, value: int) -> None:
        pass


def load(name: str, directory: Path, *, unpacked: bool = False) -> tuple[GuestMemory, Entry]:
    debian = pytest.importorskip("tests.support.debian")
    image = debian.debian_image(directory, name)
    kernel = image.kernel.read_bytes()
    memory = GuestMemory(64 * MIB)
    entry = load_linux(
        memory, unpack_linux(kernel) if unpacked else kernel, image.initrd.read_bytes(), image.command_line
    )
    return memory, entry


@pytest.mark.parametrize("name", IMAGES)
def test_the_first_instructions_lead_to_paging_and_the_kernels_half(name: str, tmp_path: Path) -> None:
    memory, entry = load(name, tmp_path)
    cpu = UnicornCpu(memory, entry, NoDevices())
    for _ in range(100):
        cpu.run(100_000)
        if cpu.register("cr0") & PAGING and cpu.register("eip") >= KERNEL_HALF:
            return
    raise AssertionError(f"after 10 M instructions the kernel is at {cpu.register('eip'):#x} without paging")


@pytest.mark.parametrize("name", IMAGES)
def test_the_unpacked_kernel_is_placed_as_the_packed_one(name: str, tmp_path: Path) -> None:
    packed, entry = load(name, tmp_path)
    unpacked, other = load(name, tmp_path, unpacked=True)
    assert entry.eip == other.eip
    assert packed.read(MIB, 40 * MIB) == unpacked.read(MIB, 40 * MIB)


@pytest.mark.system
@pytest.mark.parametrize("name", IMAGES)
def test_the_kernel_reaches_its_shell_on_qemu(name: str, tmp_path: Path) -> None:
    require_qemu()
    memory, entry = load(name, tmp_path)
    status, console = run_on_qemu(memory, entry, tmp_path, timeout_s=100, until=b"limosa:/#")
    assert status is None, console[-2000:].decode("latin-1")
    assert b"BIOS-e820: [mem 0x0000000000100000-0x0000000003ffffff] usable" in console
    assert b"RAMDISK: [mem " in console
