"""`limosa nodes` lists the nodes, `limosa nodes forget` removes one that is gone for good."""

from typing import Annotated

import typer

from controller.cli.options import Controller, Output, Quiet, chosen
from controller.cli.output import Column, Format, emit_list, message
from controller.cli.session import connect
from controller.cli.units import format_bytes

COLUMNS = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("ADDRESS", "address"),
    Column("MEMORY", "memory_bytes", format_bytes, right=True),
    Column("CPUS", "cpus", right=True),
    Column("VMS", "vms", right=True),
)


def register(app: typer.Typer) -> None:
    group = typer.Typer(rich_markup_mode=None)
    group.callback(invoke_without_command=True)(nodes)
    group.command()(forget)
    app.add_typer(group, name="nodes")


def nodes(
    context: typer.Context, controller: Controller = None, output: Output = Format.TABLE, quiet: Quiet = False
) -> None:
    """List the nodes; `nodes forget` removes one that is gone for good.

    \b
    limosa nodes
    limosa nodes -q
    limosa nodes forget n3
    """
    if context.invoked_subcommand is not None:
        return
    from controller.cli.schema import node_row
    from protos import controller_pb2

    with connect(controller) as session:
        reply = session.call("ListNodes", controller_pb2.ListNodesRequest())
    emit_list([node_row(node) for node in reply.nodes], COLUMNS, chosen(output, quiet))


def forget(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node's name.")], controller: Controller = None
) -> None:
    """Remove a node that is gone for good and owns no VM. Should it come back, it joins as a new one.

    \b
    limosa nodes forget n3
    """
    from protos import controller_pb2

    with connect(controller) as session:
        session.call("ForgetNode", controller_pb2.NodeRequest(node=node))
    message(f"{node} is forgotten")
