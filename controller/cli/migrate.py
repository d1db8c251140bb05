"""`limosa migrate`, `jobs`, `job`, `cancel`: moving a VM, and looking at moves.

`migrate` stays until the end, shows the rounds, and ends with the exit status that says where the VM is. Ctrl-C asks
for a cancel and waits for what comes of it; a second Ctrl-C leaves the migration to itself. A controller that is
restarted meanwhile is waited for: the journal brings the migration to an end.
"""

import secrets
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from controller.cli.options import Controller, Output, Quiet, VmName, chosen
from controller.cli.output import Column, Format, emit_list, emit_one, message
from controller.cli.progress import progress
from controller.cli.report import report, verdict
from controller.cli.session import Session, connect
from controller.cli.units import format_bytes, format_ns, parse_bandwidth, parse_duration
from controller.errors import (
    EXIT_INTERRUPTED,
    OUTCOMES,
    ControllerUnreachable,
    Lost,
    MigrationCancelled,
    MigrationFailed,
    Refused,
    Unconverged,
)

RECONNECT_S = 30.0
RECONNECT_EVERY_S = 0.5
ENDS = {
    "failed": MigrationFailed,
    "cancelled": MigrationCancelled,
    "unconverged": Unconverged,
    "lost": Lost,
}
COLUMNS = (
    Column("JOB", "id"),
    Column("VM", "vm"),
    Column("FROM", "source"),
    Column("TO", "target"),
    Column("ALGORITHM", "algorithm"),
    Column("STATE", "state"),
    Column("ROUNDS", "rounds", lambda rounds: str(len(rounds)), right=True),
    Column("SENT", "bytes_sent", format_bytes, right=True),
    Column("TOTAL", "total_ns", format_ns, right=True),
    Column("DOWNTIME", "downtime_ns", format_ns, right=True),
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id: see `limosa jobs`.")]


class Algorithm(StrEnum):
    """How memory is moved."""

    PRE_COPY = "pre-copy"
    STOP_AND_COPY = "stop-and-copy"


class Act(StrEnum):
    """What to do with a job."""

    SHOW = "show"
    WAIT = "wait"
    CANCEL = "cancel"


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(jobs)
    app.command()(job)
    app.command("domjobinfo", hidden=True)(job)
    app.command()(cancel)


def migrate(
    vm: VmName,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Where it is to run.")],
    algorithm: Annotated[Algorithm, typer.Option(help="How memory is moved.")] = Algorithm.PRE_COPY,
    bandwidth: Annotated[
        str, typer.Option(metavar="RATE", help="Limit for the page channel, for example 500Mbit/s; 0: none.")
    ] = "0",
    max_downtime: Annotated[
        str, typer.Option(metavar="TIME", help="Pre-copy stops the guest when the rest can be sent in this time.")
    ] = "300ms",
    max_rounds: Annotated[int, typer.Option(metavar="N", min=0, help="At most so many rounds; 0: the default.")] = 0,
    detach: Annotated[bool, typer.Option("--detach", help="Print the job's id and do not wait.")] = False,
    controller: Controller = None,
    output: Output = Format.TABLE,
) -> None:
    """Move a running VM to another node, live, and report what it cost.

    \b
    limosa migrate web n2
    limosa migrate web n2 --bandwidth 500Mbit/s --max-downtime 50ms
    limosa migrate web n1 --algorithm stop-and-copy -o json | jq .downtime_ns

    \b
    Exit status: 0 it runs on NODE · 4 refused, nothing changed · 5 failed, 6 cancelled, 7 did not converge:
                 in all three it runs where it ran · 8 lost or unknown · 69 controller unreachable
    """
    from protos import common_pb2, controller_pb2

    options = common_pb2.MigrationOptions(
        algorithm=algorithm.value,
        bandwidth_bytes_per_s=parse_bandwidth(bandwidth),
        max_downtime_ns=parse_duration(max_downtime),
        max_rounds=max_rounds,
    )
    request = controller_pb2.MigrateRequest(vm=vm, target=node, options=options, request_id=secrets.token_hex(8))
    with connect(controller) as session:
        begun = session.call("Migrate", request)
        if detach:
            print(begun.id)
            return
        row = follow(session, begun.id)
    finish(row, output)


def jobs(
    running: Annotated[bool, typer.Option("--running", help="Only those that have not ended.")] = False,
    last: Annotated[int, typer.Option(metavar="N", min=0, help="Only the last N; 0: all.")] = 0,
    controller: Controller = None,
    output: Output = Format.TABLE,
    quiet: Quiet = False,
) -> None:
    """List all migrations, the running and the ended ones.

    \b
    limosa jobs
    limosa jobs --running
    limosa jobs -o json | jq '.[] | [.vm, .downtime_ns]'
    """
    from controller.cli.schema import job_row
    from protos import controller_pb2

    with connect(controller) as session:
        reply = session.call("ListJobs", controller_pb2.ListJobsRequest(running=running, last=last))
    emit_list([job_row(entry) for entry in reply.jobs], COLUMNS, chosen(output, quiet), name="id")


def job(
    job_id: JobId,
    act: Annotated[Act, typer.Argument(metavar="[show|wait|cancel]", help="What to do with it.")] = Act.SHOW,
    controller: Controller = None,
    output: Output = Format.TABLE,
) -> None:
    """Show one migration with its rounds and downtime; or wait for its end; or cancel it.

    \b
    limosa job m-1a2b3c4d
    limosa job m-1a2b3c4d wait
    """
    from controller.cli.schema import job_row
    from protos import controller_pb2

    if act is Act.CANCEL:
        cancel(job_id, controller)
        return
    with connect(controller) as session:
        if act is Act.WAIT:
            finish(follow(session, job_id), output)
            return
        row = job_row(session.call("GetJob", controller_pb2.JobRequest(job=job_id)))
    emit_one(row, output, text=lambda: report(row), name="id")


def cancel(job_id: JobId, controller: Controller = None) -> None:
    """Cancel a migration; the VM stays on its source. Refused once the migration is committed.

    \b
    limosa cancel m-1a2b3c4d
    """
    from protos import controller_pb2

    with connect(controller) as session:
        session.call("CancelJob", controller_pb2.JobRequest(job=job_id))
        row = _watch(session, job_id, lambda _: None)
    message(verdict(row))
    if row["state"] != "cancelled":
        raise Refused(f"job {job_id} ended before the cancel reached it: {row['state']}")


def follow(session: Session, job_id: str) -> dict[str, Any]:
    """Watch a job to its end; Ctrl-C cancels it, a second one leaves it."""
    from protos import controller_pb2

    with progress() as shown:
        try:
            return _watch(session, job_id, shown.update)
        except KeyboardInterrupt:
            pass
    message("cancelling; Ctrl-C again leaves the migration to itself")
    try:
        try:
            session.call("CancelJob", controller_pb2.JobRequest(job=job_id))
        except Refused as late:
            message(str(late))
        return _watch(session, job_id, lambda _: None)
    except KeyboardInterrupt:
        message(f"the migration goes on without us; `limosa job {job_id} wait` comes back to it")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def finish(row: dict[str, Any], output: Format) -> None:
    """Print the report, and end with the status that says where the VM is."""
    emit_one(row, output, text=lambda: report(row), name="id")
    if row["state"] in ENDS:
        message(f"limosa: {verdict(row)}; {_advice(row)}")
        raise typer.Exit(next(entry.exit_status for entry in OUTCOMES if entry.error is ENDS[row["state"]]))


def _watch(session: Session, job_id: str, update: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The job's row when it has ended; a controller that goes away is given time to come back."""
    from controller.cli.schema import job_row
    from protos import controller_pb2

    row: dict[str, Any] = {}
    deadline = time.monotonic() + RECONNECT_S
    while True:
        try:
            for entry in session.stream("WatchJob", controller_pb2.JobRequest(job=job_id)):
                deadline = time.monotonic() + RECONNECT_S
                row = job_row(entry)
                update(row)
            if row and row["state"] != "running":
                return row
        except ControllerUnreachable as gone:
            if time.monotonic() > deadline:
                raise ControllerUnreachable(
                    f"{gone}; the migration is in its journal and will be brought to an end when it is back: "
                    f"`limosa job {job_id} wait`"
                ) from gone
        time.sleep(RECONNECT_EVERY_S)


def _advice(row: dict[str, Any]) -> str:
    match row["state"]:
        case "unconverged":
            return "give it more --bandwidth or --max-downtime, or use --algorithm stop-and-copy"
        case "cancelled":
            return "nothing is left on the target"
        case "failed":
            return f"`limosa events` tells what happened; `limosa migrate {row['vm']} {row['target']}` tries again"
        case _:
            return f"`limosa info {row['vm']}` and `limosa nodes` show what is known"
