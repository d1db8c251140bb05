"""Linux: the zero page, the initrd, unpacking, and what is refused. Real kernels: test_debian_kernels.py."""

import lzma
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.boot.entry import BootError, Entry
from node.boot.linux import load_linux, unpack_linux
from node.memory.ram import GuestMemory
from tests.support.kernel_images import PACKERS, Load, bzimage, elf32

MIB = 1 << 20
KERNEL_AT = 0x100_0000
CODE = bytes(range(256)) * 40
VMLINUX = elf32([Load(KERNEL_AT, CODE), Load(KERNEL_AT + 0x10000, b"data", memory_size=0x5000)], KERNEL_AT)
BZIMAGE = bzimage(PACKERS["xz"](VMLINUX + b"relocations behind the ELF"))


def u32(memory: GuestMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, 4), "little")


def boot(
    kernel: bytes = BZIMAGE, initrd: bytes | None = None, line: str = "", *, mib: int = 32
) -> tuple[GuestMemory, Entry]:
    memory = GuestMemory(mib * MIB)
    return memory, load_linux(memory, kernel, initrd, line)


@pytest.mark.parametrize("packer", PACKERS)
def test_the_kernel_is_unpacked_and_entered_at_its_elf_entry(packer: str) -> None:
    memory, entry = boot(bzimage(PACKERS[packer](VMLINUX)))
    assert (entry.mode, entry.eip, entry.cs, entry.data_selector) == ("flat32", KERNEL_AT, 0x10, 0x18)
    assert memory.read(KERNEL_AT, len(CODE)) == CODE


def test_a_plain_vmlinux_boots_like_the_bzimage_around_it() -> None:
    memory, entry = boot(unpack_linux(BZIMAGE), b"initrd", "quiet")
    assert entry.eip == KERNEL_AT
    assert memory.read(entry.esi + 0x202, 4) == b"HdrS"
    assert u32(memory, entry.esi + 0x21C) == 6


def test_what_names_no_payload_is_run_as_it_is() -> None:
    """So do memory testers and other small systems that boot like Linux; some end within their last 16 bytes."""
    image = bzimage(CODE, payload_bytes=0, preferred=2 * MIB, memory_bytes=0x1_0000)
    memory, entry = boot(image[:-5], line="console=ttyS0")
    assert (entry.mode, entry.eip) == ("flat32", 2 * MIB)
    loaded = image[5 * 512 : -5]
    assert memory.read(2 * MIB, 0x1_0000) == loaded.ljust(0x1_0000, b"\0")
    assert memory.read(u32(memory, entry.esi + 0x228), 13) == b"console=ttyS0"
    assert unpack_linux(image) == image, "nothing of it can be kept unpacked"


def test_the_setup_header_is_copied_and_the_loader_named() -> None:
    memory, entry = boot()
    page, file = memory.read(entry.esi, 4096), BZIMAGE
    assert page[0x1F1:0x210] == file[0x1F1:0x210]
    assert page[0x210] == 0xFF
    assert page[0x22C : 0x202 + 0x6A] == file[0x22C : 0x202 + 0x6A]
    assert page[0x202 + 0x6A : 0x2D0] == bytes(0x2D0 - 0x202 - 0x6A)
    assert page[0x1EF] == 0, "the sentinel tells the kernel whether the zero page was cleared"


def test_the_e820_map_describes_memory() -> None:
    memory, entry = boot(mib=48)
    count = memory.read(entry.esi + 0x1E8, 1)[0]
    entries = [struct.unpack("<QQI", memory.read(entry.esi + 0x2D0 + 20 * i, 20)) for i in range(count)]
    assert entries[0] == (0, 0x9FC00, 1)
    assert entries[-1] == (MIB, 47 * MIB, 1)


def test_the_command_line_is_zero_terminated_in_low_memory() -> None:
    memory, entry = boot(line="console=ttyS0 quiet")
    address = u32(memory, entry.esi + 0x228)
    assert address < 0x9FC00
    assert memory.read(address, 20) == b"console=ttyS0 quiet\0"


def test_the_initrd_lies_at_the_top_of_memory() -> None:
    memory, entry = boot(initrd=b"i" * 5000)
    address, size = u32(memory, entry.esi + 0x218), u32(memory, entry.esi + 0x21C)
    assert (address, size) == (32 * MIB - 8192, 5000)
    assert memory.read(address, size) == b"i" * 5000


def test_the_initrd_stays_below_what_the_kernel_can_reach() -> None:
    kernel = bzimage(PACKERS["xz"](VMLINUX), initrd_max=24 * MIB - 1)
    memory, entry = boot(kernel, b"i" * 4096)
    assert u32(memory, entry.esi + 0x218) == 24 * MIB - 4096


def test_without_an_initrd_its_fields_are_zero() -> None:
    memory, entry = boot()
    assert memory.read(entry.esi + 0x218, 8) == bytes(8)


def damaged_payload() -> bytes:
    packed = bytearray(PACKERS["xz"](VMLINUX))
    packed[60] ^= 0xFF
    return bytes(packed)


def wrong_size(announced: int) -> bytes:
    return lzma.compress(VMLINUX) + announced.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("kernel", "sentence"),
    [
        (b"", "neither a bzImage nor an ELF"),
        (b"MZ" + bytes(5000), "neither a bzImage nor an ELF"),
        (BZIMAGE[:0x220], "truncated: 544 bytes end inside the setup header"),
        (BZIMAGE[:-16], f"truncated: {len(BZIMAGE) - 16} bytes of {len(BZIMAGE)}"),
        (bzimage(b"", protocol=0x209), r"boot protocol 2\.09, and 2\.10 is the oldest"),
        (bzimage(b"x" * 32, loadflags=0), "a zImage"),
        (bzimage(b"", payload_bytes=17), "no payload"),
        (bzimage(CODE, payload_bytes=0, preferred=64 * MIB), "not memory in a guest of 32 MiB"),
        (bzimage(CODE, payload_bytes=0, memory_bytes=40 * MIB), "not memory in a guest of 32 MiB"),
        (bzimage(b"\x28\xb5\x2f\xfd" + bytes(40)), "compressed with zstd, which is not supported"),
        (bzimage(b"\x02\x21\x4c\x18" + bytes(40)), "compressed with lz4"),
        (bzimage(b"\x89LZO\0" + bytes(40)), "compressed with lzo"),
        (bzimage(b"what is this"), "no known compression"),
        (bzimage(damaged_payload()), "xz payload is damaged"),
        (bzimage(wrong_size(len(VMLINUX) - 1)), "unpacks to more"),
        (bzimage(wrong_size(len(VMLINUX) + 1)), f"unpacks to {len(VMLINUX)}"),
        (bzimage(wrong_size(1 << 30)), "more than the 33554432 bytes of the guest's memory"),
        (bzimage(PACKERS["gzip"](elf32([Load(0, CODE)], 0, machine=62, bits=2))), "inside the bzImage is .* x86-64"),
        (bzimage(PACKERS["gzip"](b"no ELF")), "inside the bzImage is not an ELF file"),
        (elf32([Load(64 * MIB, CODE)], 64 * MIB), "not memory in a guest of 32 MiB"),
    ],
)
def test_what_is_wrong_with_the_kernel_is_told_in_a_sentence(kernel: bytes, sentence: str) -> None:
    with pytest.raises(BootError, match=sentence):
        boot(kernel)


def test_a_kernel_larger_than_memory_is_refused() -> None:
    with pytest.raises(BootError, match="not memory in a guest of 16 MiB"):
        boot(mib=16)


def test_an_initrd_larger_than_memory_is_refused() -> None:
    with pytest.raises(BootError, match="the initrd of 31457280 bytes does not fit beside the kernel in 32 MiB"):
        boot(initrd=bytes(30 * MIB))


def test_a_command_line_longer_than_the_kernel_takes_is_refused() -> None:
    with pytest.raises(BootError, match="the kernel command line has 2048 bytes, and the kernel takes at most 2047"):
        boot(line="x" * 2048)
    boot(line="x" * 2047)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(BZIMAGE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_damage_to_the_file_raises_anything_but_a_boot_error(damage: list[tuple[int, int]]) -> None:
    file = bytearray(BZIMAGE)
    for position, value in damage:
        file[position] = value
    memory = GuestMemory(32 * MIB)
    try:
        load_linux(memory, bytes(file), b"initrd", "quiet")
    except BootError:
        pass
    finally:
        memory.close()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(BZIMAGE) - 16))
def test_every_truncation_is_refused(length: int) -> None:
    memory = GuestMemory(32 * MIB)
    with pytest.raises(BootError):
        load_linux(memory, BZIMAGE[:length], None, "")
    memory.close()
