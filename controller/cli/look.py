"""`limosa events`, `version`, `healthcheck`: looking at the cluster."""

from typing import Annotated

import typer

from controller.cli.options import Controller, Output
from controller.cli.output import Column, Format, emit_list, emit_one, serialised, table
from controller.cli.session import connect
from controller.cli.state import controller_address
from controller.version import VERSION

EVENTS = (
    Column("#", "sequence", lambda number: f"{number:>5}"),
    Column("TIME", "time"),
    Column("KIND", "kind", lambda kind: f"{kind:<22}"),
    Column("VM", "vm", lambda vm: f"{vm or '-':<10}"),
    Column("NODE", "node", lambda node: f"{node or '-':<6}"),
    Column("JOB", "job", lambda job: f"{job or '-':<10}"),
    Column("TEXT", "text"),
)


def register(app: typer.Typer) -> None:
    app.command()(events)
    app.command()(version)
    app.command()(healthcheck)


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")] = False,
    after: Annotated[int, typer.Option(metavar="N", min=0, help="Only events numbered above N.")] = 0,
    controller: Controller = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what happened in the cluster, oldest first. With --follow, JSON is one object a line.

    \b
    limosa events
    limosa events --follow -o json | jq 'select(.kind == "vm.crashed")'
    """
    from controller.cli.schema import event_row
    from protos import controller_pb2

    with connect(controller) as session:
        stream = session.stream("Events", controller_pb2.EventsRequest(follow=follow, after=after))
        if not follow:
            emit_list([event_row(event) for event in stream], EVENTS, output, name="sequence")
            return
        for event in stream:
            row = event_row(event)
            if output is Format.TABLE:
                print(table([row], EVENTS).splitlines()[1], flush=True)
            elif output is Format.NAME:
                print(row["sequence"], flush=True)
            elif output is Format.JSON:
                import json

                print(json.dumps(row, ensure_ascii=False), flush=True)
            else:
                print("---\n" + serialised(row, output), flush=True)


def version(output: Output = Format.TABLE) -> None:
    """Print the version.

    \b
    limosa version
    """
    emit_one({"name": "limosa", "version": VERSION}, output, text=lambda: f"limosa {VERSION}")


def healthcheck(
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Any Limosa service (default: the controller).")
    ] = None,
    controller: Controller = None,
) -> None:
    """Exit with 0 if a service is healthy, 69 if not; for supervisors and compose files. Cheap enough for each second.

    \b
    limosa healthcheck && echo fine
    limosa healthcheck --address 127.0.0.1:7401
    """
    from controller.cli.health import check

    check(address or controller_address(controller))
