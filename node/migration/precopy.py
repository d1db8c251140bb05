"""Pre-copy (Clark et al., "Live Migration of Virtual Machines", NSDI 2005): the guest runs while it is copied.

Round 1 sends all memory; round n sends what the guest wrote during round n-1. When the policy expects the rest to fit
into the allowed downtime, the guest is paused and the rest sent; when it sees that this will never be, it gives up.
"""

from dataclasses import replace

from node.migration.digest import full_digest_ns
from node.migration.errors import Unconverged
from node.migration.outgoing import Outgoing, per_second
from node.migration.phases import Phase
from node.migration.policy import Decided, Decision, decide
from node.migration.report import Round
from node.migration.stages import commit, confirm, enter_round, reserve, send_round, stop


async def copy_rounds(out: Outgoing) -> None:
    """Stage 2. Dirty pages are collected, cleared and protected before any of them is read (see machines.py)."""
    out.tracking = True
    out.machine.start_tracking()
    while True:
        done = await send_round(out)
        out.remaining = out.machine.collect_dirty()
        measured = await full_digest_ns(out.machine.memory, out.clock, out.workers)
        out.fixed_ns = min(out.fixed_ns, measured) if out.rounds else measured
        decided = _judge(out, done)
        if decided.decision is Decision.ABORT:
            raise Unconverged(decided.reason)
        if decided.decision is Decision.STOP_AND_COPY:
            return


def _judge(out: Outgoing, done: Round) -> Decided:
    """Complete the round's record with what is dirty now and what the policy makes of it."""
    dirty = len(out.remaining)
    done = replace(done, dirty_pages_after=dirty, dirty_pages_per_s=per_second(dirty, done.duration_ns))
    decided = decide([*out.rounds, done], out.plan.limits, out.fixed_ns)
    enter_round(
        out,
        replace(
            done,
            predicted_downtime_ns=decided.predicted_downtime_ns,
            verdict=decided.decision.value,
            reason=decided.reason,
        ),
    )
    return decided


PHASES = (
    Phase("setup", reserve),  # 0, 1: pre-migration, reservation
    Phase("active", copy_rounds),  # 2: iterative pre-copy
    Phase("stop-and-copy", stop),  # 3: stop-and-copy
    Phase("verify", confirm),
    Phase("commit", commit, announced=False),  # 4: commitment; 5, activation, is the target's
)
