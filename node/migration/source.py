"""The source's end: runs an algorithm's phases, and is the one place that knows what a failure means.

`migrate_out` promises:

* before the commit authority is asked, every way out but success leaves the guest here as it was: running if it ran,
  tracking off, and the target told if the link allows. That holds for failures, for `Cancel`, and for an exception
  thrown into the coroutine (an event loop's cancellation), which passes on after that;
* from the asking to the answer the guest stays paused, even when the asking itself fails, for the authority may have
  committed: the result is then *undecided*;
* after COMMIT the guest never runs here again.
"""

from node.migration import precopy, stop_and_copy
from node.migration.commit import CommitAuthority, Verdict
from node.migration.errors import LinkLost, MigrationError, as_migration_error
from node.migration.link import Clock, Link, Workers
from node.migration.machines import SourceMachine
from node.migration.outgoing import Cancel, Observe, Outgoing, PhaseBegins, Plan
from node.migration.phases import Phase
from node.migration.records import Abort
from node.migration.report import Report
from node.migration.shaper import Shaped

ALGORITHMS: dict[str, tuple[Phase, ...]] = {"pre-copy": precopy.PHASES, "stop-and-copy": stop_and_copy.PHASES}
RESULTS = {"cancelled": "cancelled", "unconverged": "unconverged"}  # of a failure's kind; all others: failed


async def migrate_out(
    machine: SourceMachine,
    link: Link,
    plan: Plan,
    *,
    clock: Clock,
    workers: Workers,
    authority: CommitAuthority,
    observe: Observe | None = None,
    cancel: Cancel | None = None,
) -> Report:
    """Migrate the machine over the link; the report says how it ended and where the VM runs.

    A plan with an unknown algorithm is a ValueError, and nothing has happened.
    """
    phases = ALGORITHMS.get(plan.algorithm)
    if phases is None:
        await link.close()
        raise ValueError(f"{plan.algorithm} is no algorithm; there are {' and '.join(ALGORITHMS)}")
    if plan.bandwidth_bytes_per_s:
        link = Shaped(link, clock, plan.bandwidth_bytes_per_s)
    out = Outgoing(
        machine,
        link,
        plan,
        clock=clock,
        workers=workers,
        authority=authority,
        observe=observe or (lambda notice: None),
        cancel=cancel or Cancel(),
    )
    try:
        return await _run(out, phases)
    finally:
        await link.close()


async def _run(out: Outgoing, phases: tuple[Phase, ...]) -> Report:
    try:
        for phase in phases:
            if phase.announced:
                out.observe(PhaseBegins(phase.name))
            await phase.act(out)
    except BaseException as error:
        failure = as_migration_error(error)
        if out.asked and out.verdict is not Verdict.ABORT:  # it may have committed: hands off the guest
            if out.verdict is None and isinstance(error, Exception):
                return _report(out, "undecided", "", failure)
            raise
        _take_back(out)
        if not isinstance(failure, LinkLost):
            await out.channel.tell(Abort(failure))
        if isinstance(error, Exception):
            return _report(out, RESULTS.get(failure.kind, "failed"), "source", failure)
        raise
    return _report(out, "succeeded", "target")


def _take_back(out: Outgoing) -> None:
    """The guest is the source's as before; running it comes first."""
    try:
        if out.paused and out.plan.guest_runs:
            out.machine.resume()
    finally:
        if out.tracking:
            out.machine.stop_tracking()


def _report(out: Outgoing, result: str, runs_on: str, failure: MigrationError | None = None) -> Report:
    parts = out.downtime.result() if out.downtime else ()
    in_rounds = sum(r.bytes_sent for r in out.rounds)
    return Report(
        migration_id=out.plan.migration_id,
        algorithm=out.plan.algorithm,
        result=result,
        runs_on=runs_on,
        kind=failure.kind if failure else "",
        error=f"{failure.sentence}; {_whereabouts(out, runs_on)}" if failure else "",
        rounds=tuple(out.rounds),
        downtime_parts=parts,
        downtime_ns=sum(part.duration_ns for part in parts),
        total_ns=out.now() - out.started_ns,
        setup_ns=out.setup_ns,
        bytes_sent=out.channel.writer.octets,
        bytes_around=out.channel.writer.octets - in_rounds,
        pages_normal=sum(r.pages_normal for r in out.rounds),
        pages_zero=sum(r.pages_zero for r in out.rounds),
        digest=out.digest.total.hex() if out.digest else "",
    )


def _whereabouts(out: Outgoing, runs_on: str) -> str:
    if not runs_on:
        return "the VM stays paused until the commit authority is heard"
    return "the VM runs on at the source" if out.plan.guest_runs else "the VM stays paused at the source"
