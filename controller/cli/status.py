"""`limosa status`: the cluster at a glance, its processes included, also when half of it is dead."""

from typing import Any

import typer

from controller.cli.options import Controller, Output
from controller.cli.output import Column, Format, emit_one, facts, table
from controller.cli.processes import Process, alive
from controller.cli.session import connect
from controller.cli.state import controller_address, state_dir
from controller.errors import ControllerUnreachable

PARTS = (
    Column("PART", "name"),
    Column("KIND", "kind"),
    Column("PROCESS", "process"),
    Column("PID", "pid", right=True),
    Column("ADDRESS", "address", lambda address: address or "-"),
    Column("METRICS", "metrics", lambda address: address or "-"),
)


def register(app: typer.Typer) -> None:
    app.command()(status)


def status(controller: Controller = None, output: Output = Format.TABLE) -> None:
    """Show whether the cluster is up, and its parts. Exit status 69: the controller does not answer.

    \b
    limosa status
    limosa status -o json | jq .nodes
    """
    from protos import controller_pb2

    address = controller_address(controller)
    parts = _parts(address)
    try:
        with connect(address) as session:
            reply = session.call("Status", controller_pb2.StatusRequest())
    except ControllerUnreachable:
        if parts:
            emit_one(_row("", address, parts, None), output, text=lambda: table(parts, PARTS), name="controller")
        raise
    row = _row(reply.cluster_id, address, parts, reply)
    emit_one(row, output, text=lambda: _text(row), name="cluster_id")


def _parts(address: str) -> list[dict[str, Any]]:
    """The processes that `up` started here, if this is the cluster that is asked for."""
    cluster = state_dir().load()
    if cluster is None or "controller" not in cluster.parts or cluster.parts["controller"].address != address:
        return []
    return [
        {
            "name": part.name,
            "kind": part.kind,
            "process": "alive" if alive(Process(part.pid, part.start_ticks)) else "dead",
            "pid": part.pid,
            "address": part.address,
            "metrics": part.metrics,
        }
        for part in cluster.parts.values()
    ]


def _row(cluster_id: str, address: str, parts: list[dict[str, Any]], reply: Any) -> dict[str, Any]:
    return {
        "cluster_id": cluster_id,
        "controller": address,
        "storage": reply.storage_address if reply is not None else "",
        "storage_state": reply.storage_state if reply is not None else "",
        "metrics": reply.metrics_address if reply is not None else "",
        "version": reply.version if reply is not None else "",
        "nodes": reply.nodes if reply is not None else 0,
        "vms": reply.vms if reply is not None else 0,
        "jobs_running": reply.jobs_running if reply is not None else 0,
        "parts": parts,
    }


def _text(row: dict[str, Any]) -> str:
    pairs = [
        ("cluster", row["cluster_id"]),
        ("controller", row["controller"]),
        ("storage", ", ".join(filter(None, (row["storage"], row["storage_state"])))),
        ("metrics", row["metrics"]),
        ("nodes ready", str(row["nodes"])),
        ("vms", str(row["vms"])),
        ("jobs running", str(row["jobs_running"])),
    ]
    return facts(pairs) + (f"\n\n{table(row['parts'], PARTS)}" if row["parts"] else "")
