"""`limosa create list info start stop pause resume destroy`: the verbs on VMs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import Controller, Output, Quiet, VmName, chosen
from controller.cli.output import Column, Format, emit_list, emit_one, facts, message
from controller.cli.session import CREATE_TIMEOUT_S, connect
from controller.cli.units import format_bytes, format_ns

if TYPE_CHECKING:
    from protos import controller_pb2

COLUMNS = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("NODE", "node"),
    Column("MEMORY", "memory_bytes", format_bytes, right=True),
    Column("VMM", "vmm"),
    Column("IMAGE", "image", lambda name: name or "-"),
    Column("MIGRATIONS", "migrations", right=True),
    Column("JOB", "job", lambda job: job or "-"),
)


def register(app: typer.Typer) -> None:
    app.command("list")(list_vms)
    app.command("ls", hidden=True)(list_vms)
    app.command()(info)
    app.command()(start)
    app.command()(stop)
    app.command()(pause)
    app.command()(resume)
    app.command()(destroy)
    app.command("rm", hidden=True)(destroy)


def list_vms(controller: Controller = None, output: Output = Format.TABLE, quiet: Quiet = False) -> None:
    """List all VMs.

    \b
    limosa list
    limosa list -o json | jq '.[] | select(.state == "running") | .node'
    """
    from controller.cli.schema import vm_row
    from protos import controller_pb2

    with connect(controller) as session:
        reply = session.call("ListVms", controller_pb2.ListVmsRequest())
    emit_list([vm_row(vm) for vm in reply.vms], COLUMNS, chosen(output, quiet))


def info(vm: VmName, controller: Controller = None, output: Output = Format.TABLE) -> None:
    """Show everything about one VM.

    \b
    limosa info web
    limosa info web -o yaml
    """
    _verb("GetVm", vm, controller, output)


def start(vm: VmName, controller: Controller = None, output: Output = Format.NAME) -> None:
    """Boot a VM that was created, or boot it afresh after it stopped or crashed.

    \b
    limosa start web
    """
    _verb("StartVm", vm, controller, output)


def stop(vm: VmName, controller: Controller = None, output: Output = Format.NAME) -> None:
    """Power a VM off. Its memory is gone, its definition stays: `limosa start` boots it again.

    \b
    limosa stop web
    """
    _verb("StopVm", vm, controller, output)


def pause(vm: VmName, controller: Controller = None, output: Output = Format.NAME) -> None:
    """Stop a VM's time. Its memory stays; `limosa resume` lets it go on.

    \b
    limosa pause web
    """
    _verb("PauseVm", vm, controller, output)


def resume(vm: VmName, controller: Controller = None, output: Output = Format.NAME) -> None:
    """Let a paused VM go on.

    \b
    limosa resume web
    """
    _verb("ResumeVm", vm, controller, output)


def destroy(
    vms: Annotated[list[str], typer.Argument(metavar="VM...", help="The VMs' names.")], controller: Controller = None
) -> None:
    """End a VM, whatever it does, and forget it.

    \b
    limosa destroy web
    limosa list -q | xargs limosa destroy
    """
    from protos import controller_pb2

    with connect(controller) as session:
        for vm in vms:
            session.call("DestroyVm", controller_pb2.VmRequest(vm=vm))
            message(f"{vm} is destroyed")


def show(vm: "controller_pb2.Vm", output: Format) -> None:
    """One VM, in the form asked for."""
    from controller.cli.schema import vm_row

    row = vm_row(vm)
    emit_one(row, output, text=lambda: facts(_facts(row)))


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    started = row["create_to_first_instruction_ns"]
    return [
        ("name", row["name"]),
        ("state", row["state"] + (f" ({row['reason']})" if row["reason"] else "")),
        ("node", row["node"]),
        ("image", row["image"] or f"{row['boot']} (own files)"),
        ("command line", row["command_line"]),
        ("memory", format_bytes(row["memory_bytes"])),
        ("vmm", row["vmm"]),
        ("cpu", row["cpu"]),
        ("clock", row["clock"]),
        ("exit port", hex(row["exit_port"]) if row["exit_port"] else ""),
        ("exit status", str(row["exit_status"]) if row["exit_status"] else ""),
        ("instructions", f"{row['instructions']:,}"),
        ("guest time", format_ns(row["guest_time_ns"])),
        ("console", format_bytes(row["console_bytes"])),
        ("process", str(row["pid"]) if row["pid"] else ""),
        ("first instruction", f"{format_ns(started)} after create" if started else ""),
        ("migrations", str(row["migrations"])),
        ("job", row["job"]),
        ("created", row["created"] or ""),
    ]


def _verb(method: str, vm: str, controller: str | None, output: Format) -> None:
    from protos import controller_pb2

    with connect(controller) as session:
        show(session.call(method, controller_pb2.VmRequest(vm=vm), timeout_s=CREATE_TIMEOUT_S), output)
