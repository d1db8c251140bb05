"""What a machine boots, as bytes in hand: read from the node's blob cache or from the user's files.

Loaders know formats (`node.boot`), this file only which loader takes what. `kind_of` tells a Linux kernel from a
Multiboot one by their headers, so that a user names a file and not its format.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from node.boot.bios import load_bios
from node.boot.bzimage import is_bzimage
from node.boot.entry import Entry
from node.boot.linux import load_linux
from node.boot.multiboot import UNNAMED, is_multiboot, load_multiboot
from node.domain.unpacked import kernel_bytes
from node.guests.builtin import builtin_kernel
from node.memory.ram import GuestMemory
from protos.common_pb2 import BootSource


@dataclass(frozen=True, slots=True)
class LinuxFiles:
    kernel: bytes
    initrd: bytes | None
    command_line: str


@dataclass(frozen=True, slots=True)
class MultibootFiles:
    kernel: bytes
    command_line: str
    modules: tuple[tuple[bytes, str], ...]  # content, command line
    file_name: str = UNNAMED


@dataclass(frozen=True, slots=True)
class BiosFiles:
    rom: bytes


BootFiles = LinuxFiles | MultibootFiles | BiosFiles


def kind_of(kernel: bytes) -> Literal["linux", "multiboot"]:
    """By its header. What has neither is taken for a plain Linux ELF, whose loader says what is wrong with it."""
    return "multiboot" if is_multiboot(kernel) and not is_bzimage(kernel) else "linux"


def read(boot: BootSource, files: Mapping[str, Path], *, incoming: bool) -> BootFiles | None:
    """The files that a specification names, by digest. An incoming machine is not booted, but has its ROM."""
    kind = boot.WhichOneof("kind")
    if kind == "bios":
        return BiosFiles(files[boot.bios.rom.digest].read_bytes())
    if incoming:
        return None
    if kind == "linux":
        linux = boot.linux
        initrd = files[linux.initrd.digest].read_bytes() if linux.HasField("initrd") else None
        blob = files[linux.kernel.digest]
        return LinuxFiles(kernel_bytes(blob, blob.parent), initrd, linux.command_line)
    multiboot = boot.multiboot
    named = multiboot.HasField("kernel")
    kernel = files[multiboot.kernel.digest].read_bytes() if named else builtin_kernel()
    modules = tuple((files[module.digest].read_bytes(), "") for module in multiboot.modules)
    return MultibootFiles(kernel, multiboot.command_line, modules)


def load(memory: GuestMemory, boot: BootFiles) -> Entry:
    """Put it into memory; where the processor begins."""
    match boot:
        case LinuxFiles(kernel, initrd, command_line):
            return load_linux(memory, kernel, initrd, command_line)
        case MultibootFiles(kernel, command_line, modules, file_name):
            return load_multiboot(memory, kernel, command_line, modules, file_name=file_name)
        case BiosFiles(rom):
            return load_bios(rom)
