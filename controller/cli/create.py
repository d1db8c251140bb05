"""`limosa create`: define a VM from an image, from files of one's own, or from the built-in guest.

Files of one's own are pushed to the image store by content, so that any node can fetch them. What a kernel file is
(Linux or Multiboot) is read from its header.
"""

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import storage_access
from controller.cli.options import Controller, Output, Storage
from controller.cli.output import Format
from controller.cli.session import CREATE_TIMEOUT_S, connect
from controller.cli.units import parse_size
from controller.cli.vm import show
from controller.errors import Usage

if TYPE_CHECKING:
    from protos import common_pb2

MULTIBOOT_MAGIC = (0x1BADB002).to_bytes(4, "little")
MULTIBOOT_WITHIN = 8192
LINUX_MAGIC, LINUX_MAGIC_AT = b"HdrS", 0x202
ELF_MAGIC = b"\x7fELF"


def register(app: typer.Typer) -> None:
    app.command()(create)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, '.', '_' and '-'.")],
    image: Annotated[str | None, typer.Option(metavar="I", help="An image: see `limosa image list`.")] = None,
    kernel: Annotated[Path | None, typer.Option(metavar="F", help="A Linux or Multiboot kernel of your own.")] = None,
    initrd: Annotated[Path | None, typer.Option(metavar="F", help="An initial RAM disk for --kernel.")] = None,
    bios: Annotated[Path | None, typer.Option(metavar="F", help="A BIOS ROM, started at the reset vector.")] = None,
    append: Annotated[str, typer.Option(metavar="S", help="Words to add to the command line.")] = "",
    command_line: Annotated[
        str | None, typer.Option(metavar="S", help="The whole command line, in place of the image's own.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="For example 128M (default: 64M, or what the image needs).")
    ] = None,
    node: Annotated[str, typer.Option(metavar="N", help="Where to put it (default: the emptiest node).")] = "",
    vmm: Annotated[str, typer.Option(metavar="MODE", help="VMM mode: native.")] = "native",
    clock: Annotated[str, typer.Option(metavar="KIND", help="real or virtual.")] = "real",
    exit_port: Annotated[
        str | None, typer.Option(metavar="P", help="Debug-exit port, for example 0xf4 (default: none).")
    ] = None,
    start: Annotated[bool, typer.Option("--start", help="Boot it at once.")] = False,
    controller: Controller = None,
    storage: Storage = None,
    output: Output = Format.NAME,
) -> None:
    """Create a VM. Without --image, --kernel or --bios it boots the built-in guest.

    \b
    limosa create web --append 'dirty rate=2000 pages=4000' --start
    limosa create deb --image debian-12 --memory 128M --start
    limosa create own --kernel bzImage --initrd initrd.gz --append 'console=ttyS0'
    """
    from protos import common_pb2, controller_pb2

    _one_source(image=image, kernel=kernel, bios=bios, initrd=initrd)
    spec = common_pb2.VmSpec(name=name, vmm=vmm, clock=clock, memory_bytes=parse_size(memory) if memory else 0)
    spec.exit_port = _port(exit_port) if exit_port else 0
    with connect(controller) as session:
        files = partial(storage_access.service_of, session, storage)
        boot = _boot(files, image=image, kernel=kernel, initrd=initrd, bios=bios, command_line=command_line)
        if boot is not None:
            spec.boot.CopyFrom(boot)
        request = controller_pb2.CreateVmRequest(
            spec=spec, node=node, image=image or "", append=append, start=start, request_id=secrets.token_hex(8)
        )
        show(session.call("CreateVm", request, timeout_s=CREATE_TIMEOUT_S), output)


def boot_kind(content: bytes, path: Path) -> str:
    """ "linux" or "multiboot", by the header; a file that is neither is a usage error."""
    if MULTIBOOT_MAGIC in content[:MULTIBOOT_WITHIN]:
        return "multiboot"
    if content[LINUX_MAGIC_AT : LINUX_MAGIC_AT + 4] == LINUX_MAGIC or content[:4] == ELF_MAGIC:
        return "linux"
    raise Usage(f"{path} is no kernel that can be booted: neither a bzImage, nor an ELF, nor a Multiboot kernel")


def _boot(
    service: Callable[[], storage_access.Service],
    *,
    image: str | None,
    kernel: Path | None,
    initrd: Path | None,
    bios: Path | None,
    command_line: str | None,
) -> "common_pb2.BootSource | None":
    """What to boot, if more is to be said than the image's name; files are in the store when this returns.

    The built-in guest is no file: then nobody asks where the store is.
    """
    from protos import common_pb2

    boot = common_pb2.BootSource()
    if image is not None:
        if command_line is None:
            return None
        boot.CopyFrom(storage_access.image(service(), image).boot)
    elif bios is not None:
        boot.bios.rom.CopyFrom(storage_access.push_file(service(), bios))
    elif kernel is None:
        boot.multiboot.SetInParent()
    elif boot_kind(_head(kernel), kernel) == "multiboot":
        if initrd is not None:
            raise Usage(f"{kernel} is a Multiboot kernel, and --initrd is for Linux")
        boot.multiboot.kernel.CopyFrom(storage_access.push_file(service(), kernel))
    else:
        boot.linux.kernel.CopyFrom(storage_access.push_file(service(), kernel))
        if initrd is not None:
            boot.linux.initrd.CopyFrom(storage_access.push_file(service(), initrd))
    _set_command_line(boot, command_line)
    return boot


def _set_command_line(boot: "common_pb2.BootSource", command_line: str | None) -> None:
    if command_line is None:
        return
    if boot.WhichOneof("kind") == "bios":
        raise Usage("a BIOS ROM takes no command line; leave --command-line out")
    getattr(boot, boot.WhichOneof("kind") or "multiboot").command_line = command_line


def _one_source(*, image: str | None, kernel: Path | None, bios: Path | None, initrd: Path | None) -> None:
    if sum(source is not None for source in (image, kernel, bios)) > 1:
        raise Usage("--image, --kernel and --bios exclude each other: a VM boots one thing")
    if initrd is not None and kernel is None:
        raise Usage("--initrd goes with --kernel; an image brings its own")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MULTIBOOT_WITHIN)
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}") from error


def _port(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError as error:
        raise Usage(f"{text!r} is no I/O port; 0xf4 is one") from error
    if not 0 < number <= 0xFFFC:
        raise Usage(f"I/O port {text} is out of range: 1 to 0xfffc")
    return number
