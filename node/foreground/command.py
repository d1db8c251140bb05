"""The options of `limosa boot`, and what they lead to.

Exit status: 0 the guest powered off, or was left · (v << 1) | 1 it wrote v to its exit port · 124 its time was up ·
1 it crashed, or could not be booted · 2 the command line makes no sense · 128 + n ended by signal n.
"""

import gc
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from node.boot.entry import BootError
from node.devices.ports import Listeners
from node.domain import machinery, port_output, sizes, terminal
from node.domain.foreground_run import ForegroundRun
from node.domain.machinery import GuestMachine, Refused
from node.domain.processors import CPUS, DEFAULT_CPU
from node.foreground.files import CannotBoot, files_of
from protos.common_pb2 import VmSpec

PROGRAM = "limosa boot"
FAILED = 1
MEMORY_BYTES = 128 << 20
SWITCH_S = 0.0005  # how long the guest's thread, back from native code, may wait for another's Python
TRANSLATOR, INTERPRETER = "node.domain.native:MACHINERY", "node.domain.native:INTERPRETER"
STATE = platformdirs.user_state_path("limosa")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def _size(text: str) -> int:
    try:
        size = sizes.parse(text)
        sizes.check_memory(size)
    except sizes.BadSize as error:
        raise typer.BadParameter(str(error)) from None
    return size


def _one_of(*allowed: str):  # type: ignore[no-untyped-def]
    def check(text: str) -> str:
        if text not in allowed:
            raise typer.BadParameter(f"{text!r} is not one of: {', '.join(allowed)}")
        return text

    return check


def _port(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no I/O port; 0xf4 is") from None
    if not 0 < number <= 0xFFFC:
        raise typer.BadParameter(f"{text} is out of range: 1 to 0xfffc is possible")
    return number


@app.command()
def boot(
    kernel: Annotated[
        Path | None,
        typer.Option(
            metavar="F",
            help="Linux kernel (bzImage or vmlinux) or Multiboot ELF; told apart by its header. "
            "Without it: the built-in guest.",
        ),
    ] = None,
    initrd: Annotated[Path | None, typer.Option(metavar="F", help="Initial RAM disk, for Linux.")] = None,
    append: Annotated[str | None, typer.Option(metavar="S", help="Kernel command line.")] = None,
    module: Annotated[
        list[str] | None,
        typer.Option(metavar="F[,ARGS]", help="Multiboot module and its command line. May be repeated."),
    ] = None,
    bios: Annotated[Path | None, typer.Option(metavar="F", help="BIOS ROM image, started at the reset vector.")] = None,
    image: Annotated[
        str | None, typer.Option(metavar="NAME", help="An image of the local store (`limosa image`).")
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(parser=_size, metavar="SIZE", help="Memory: 64M, 1G, … (default: 128M, or what the image needs)."),
    ] = None,
    vmm: Annotated[str, typer.Option(callback=_one_of("native"), metavar="MODE", help="VMM mode: native.")] = "native",
    cpu: Annotated[
        str,
        typer.Option(
            callback=_one_of(*CPUS),
            metavar="MODEL",
            help=f"Processor model, which decides CPUID and the instructions there are: {', '.join(CPUS)}.",
        ),
    ] = DEFAULT_CPU,
    clock: Annotated[
        str,
        typer.Option(
            callback=_one_of("real", "virtual"),
            metavar="KIND",
            help="real: the host's time. virtual: time is instructions executed, so every run is the same.",
        ),
    ] = "real",
    exit_port: Annotated[
        int | None,
        typer.Option(
            parser=_port,
            metavar="PORT",
            help="A write of v there ends this program with status (v << 1) | 1, as QEMU's isa-debug-exit.",
        ),
    ] = None,
    debugcon: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PORT[,FILE]",
            help="What the guest writes to this I/O port goes, byte for byte, to standard error or into FILE: 0xe9 for "
            "debug consoles, 0x80,codes for POST codes. May be repeated.",
        ),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, metavar="S", help="End after so many seconds, with status 124.")
    ] = None,
    no_jit: Annotated[
        bool, typer.Option("--no-jit", help="Interpret only: do not translate hot code. Slower, the same results.")
    ] = False,
    stats: Annotated[bool, typer.Option("--stats", help="At the end, print what was executed, on stderr.")] = False,
    state: Annotated[
        Path,
        typer.Option(envvar="LIMOSA_STATE_DIR", metavar="DIR", help="State directory: images, compiled interpreter."),
    ] = STATE,
    machines: Annotated[str | None, typer.Option("--machinery", hidden=True)] = None,
) -> None:
    """Run one machine here and now, its first serial port on this terminal. No cluster is needed.

    Everything typed goes to the guest; Ctrl+] leaves and ends the machine. When standard input ends, the guest runs on.

    \b
    limosa boot --append 'tick'                              the built-in guest, a line a second
    limosa boot --kernel bzImage --initrd initrd.gz --append 'console=ttyS0'
    limosa boot --image debian-12 --memory 256M              an image pulled by `limosa image pull debian-12`
    limosa boot --kernel test.elf --exit-port 0xf4 --timeout 10 < /dev/null
    limosa boot --bios test.bin --debugcon 0xe9 --debugcon 0x80,codes

    \b
    Exit status: 0 powered off, or left · (v << 1) | 1 the guest wrote v to its exit port · 124 its time was up
                 1 it crashed or could not be booted · 2 wrong usage
    """
    boots, least = files_of(
        kernel=kernel, initrd=initrd, append=append, modules=module or [], bios=bios, image=image, state=state
    )
    if memory is not None and memory < least:
        raise typer.BadParameter(f"image {image} needs at least {least >> 20}M of memory")
    size = memory if memory is not None else max(MEMORY_BYTES, least)
    spec = VmSpec(name="foreground", memory_bytes=size, vmm=vmm, cpu=cpu, clock=clock, exit_port=exit_port or 0)
    kind = machinery.load(machines or (INTERPRETER if no_jit else TRANSLATOR))
    sys.setswitchinterval(SWITCH_S)
    with terminal.ProgressLine("compiling the interpreter, this once; it takes about a minute:") as progress:
        kind.load(state / "cache" / "native", progress)
    machine = kind.build(spec, boots, incoming=False, listeners=_listeners(debugcon or []))
    gc.freeze()
    gc.enable()  # __main__.py
    began = time.monotonic()
    ended = ForegroundRun(machine, kind).run(timeout_s=timeout)
    if ended.text:
        terminal.say(ended.text)
    if stats:
        _print_stats(machine, time.monotonic() - began)
    sys.stderr.flush()
    os._exit(ended.status)  # a thread may still sit in a read of standard input


def _listeners(debugcon: list[str]) -> Listeners:
    try:
        return port_output.open_all([port_output.parse(text) for text in debugcon])
    except port_output.BadPortOutput as error:
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        raise CannotBoot(f"{error.filename} cannot be written: {error.strerror}") from None


def _print_stats(machine: GuestMachine, seconds: float) -> None:
    figures = {"seconds": f"{seconds:.3f}", "instructions": machine.instructions}
    figures["instructions_per_s"] = round(machine.instructions / seconds) if seconds else 0
    figures |= {name: value for name, value in machine.stats().items() if name not in figures}
    for name, value in figures.items():
        print(f"{name:32} {value}", file=sys.stderr)


def main() -> None:
    try:
        app(prog_name=PROGRAM)
    except (CannotBoot, Refused, BootError) as error:
        terminal.say(str(error))
        sys.exit(FAILED)
