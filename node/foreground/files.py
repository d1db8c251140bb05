"""What to boot, from the user's files or an image of the local store; every mistake is one sentence."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from node.domain.boot_files import BiosFiles, BootFiles, LinuxFiles, MultibootFiles, kind_of
from node.domain.unpacked import kernel_bytes
from node.guests.builtin import builtin_kernel

if TYPE_CHECKING:
    from storage.local import LocalImage

FILE_BYTES_MAX = 1 << 30


class CannotBoot(Exception):
    """A sentence for the user."""


def files_of(
    *,
    kernel: Path | None,
    initrd: Path | None,
    append: str | None,
    modules: list[str],
    bios: Path | None,
    image: str | None,
    state: Path,
) -> tuple[BootFiles, int]:
    """What to boot (exactly one of ROM, image and kernel), and how much memory that needs at least, if it says so."""
    if sum(source is not None for source in (kernel, bios, image)) > 1:
        raise typer.BadParameter("--kernel, --bios and --image exclude each other: a machine boots one thing")
    if bios is not None:
        if initrd or append or modules:
            raise typer.BadParameter("--initrd, --append and --module belong to a kernel; --bios boots a ROM")
        return BiosFiles(_read(bios, "the BIOS ROM")), 0
    if image is not None:
        return _from_image(state, image, initrd, append, modules)
    content = builtin_kernel() if kernel is None else _read(kernel, "the kernel")
    kind = "multiboot" if kernel is None else kind_of(content)
    boots = _with_kernel(kind, content, initrd, append or "", [_module(text) for text in modules])
    if kernel is not None and isinstance(boots, MultibootFiles):
        boots = replace(boots, file_name=_printable(kernel.name))
    return boots, 0


def _from_image(
    state: Path, name: str, initrd: Path | None, append: str | None, modules: list[str]
) -> tuple[BootFiles, int]:
    """An image of the local store; what the user appends goes behind the image's own command line."""
    from storage.errors import StorageError
    from storage.local import open_local_image

    try:
        local = open_local_image(state, name)
    except StorageError as error:
        raise CannotBoot(str(error)) from None
    if local.kind == "bios":
        return BiosFiles(_read(local.kernel, f"image {name}'s ROM")), local.memory_bytes_min
    content = _kernel_of(local, state)
    command_line = f"{local.command_line} {append or ''}".strip()
    carried = [(module, "") for module in local.modules]
    given = [_module(text) for text in modules]
    boots = _with_kernel(local.kind, content, initrd or local.initrd, command_line, [*carried, *given])
    return boots, local.memory_bytes_min


def _kernel_of(image: "LocalImage", state: Path) -> bytes:
    if image.kind == "linux":
        return kernel_bytes(image.kernel, state / "cache" / "kernels")
    return _read(image.kernel, f"image {image.name}'s kernel")


def _with_kernel(
    kind: str, kernel: bytes, initrd: Path | None, command_line: str, modules: list[tuple[Path, str]]
) -> BootFiles:
    if kind == "linux":
        if modules:
            raise typer.BadParameter("--module is for Multiboot kernels; this one is Linux and takes an --initrd")
        return LinuxFiles(kernel, _read(initrd, "the initrd") if initrd else None, command_line)
    if initrd is not None:
        raise typer.BadParameter("--initrd is for Linux; a Multiboot kernel takes a --module")
    read = tuple((_read(file, "the module"), arguments) for file, arguments in modules)
    return MultibootFiles(kernel, command_line, read)


def _printable(name: str) -> str:
    """Of a file, whose name may be no text."""
    return name.encode(errors="replace").decode()


def _module(text: str) -> tuple[Path, str]:
    file, _, arguments = text.partition(",")
    return Path(file), arguments


def _read(file: Path, what: str) -> bytes:
    try:
        with file.open("rb") as content:
            read = content.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CannotBoot(f"{what} {file} cannot be read: {error.strerror}") from None
    if len(read) > FILE_BYTES_MAX:
        raise CannotBoot(f"{what} {file} is larger than {FILE_BYTES_MAX >> 20} MiB")
    return read
