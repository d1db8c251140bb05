"""Whole migrations in virtual time, when nothing goes wrong: the target has the machine, and the figures are true."""

from dataclasses import replace

import pytest

from node.migration import snapshot
from node.migration.commit import Ready, Verdict
from node.migration.link import Inline
from node.migration.modelled import LinkModel, pair
from node.migration.outgoing import PhaseBegins, Plan, Progress
from node.migration.policy import Limits
from node.migration.rehearsal import Rehearsal, Scenario, rehearse
from node.migration.report import DOWNTIME_PARTS, Report, Round, unbalanced
from node.migration.source import migrate_out
from node.migration.target import migrate_in
from node.migration.twin import TwinMachine, Writes
from node.migration.verify import verify
from node.migration.virtual import SECOND_NS, VirtualTime

BUSY = Scenario(
    seed=4,
    ram_bytes=4 << 20,
    rom=b"\xeb\xfe" * 3000,
    link=LinkModel(bandwidth_bytes_per_s=100e6, latency_ns=200_000),
    writes=Writes(pages=600, per_tick=4),
    limits=Limits(max_downtime_ns=2_000_000),
)


def report_of(result: Rehearsal) -> Report:
    assert result.report is not None and result.report.result == "succeeded", result.report
    return result.report


def assert_moved(result: Rehearsal) -> None:
    """The target is the source, octet for octet, and the figures are those of the wire."""
    report = report_of(result)
    assert result.target.memory.bytes.tobytes() == result.source.memory.bytes.tobytes()
    assert snapshot.encode(result.target.records()) == snapshot.encode(result.source.records())
    assert (result.source.running, result.target.running, result.most_running) == (False, True, 1)
    assert result.target.loads == 1
    assert unbalanced(report) == [] and report.bytes_sent == len(result.forward)
    assert result.held is not None and result.held.digest == report.digest
    assert (result.held.pages_normal, result.held.pages_zero) == (report.pages_normal, report.pages_zero)


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
@pytest.mark.parametrize("seed", range(8))
def test_a_machine_arrives_whole_with_its_guest_writing(algorithm: str, seed: int) -> None:
    result = rehearse(replace(BUSY, seed=seed, algorithm=algorithm))
    assert_moved(result)
    assert verify(result.forward).ending == "complete"
    result.close()


def test_pre_copy_converges_over_rounds_that_get_smaller_and_keeps_to_the_downtime() -> None:
    result = rehearse(BUSY)
    report = report_of(result)
    assert len(report.rounds) >= 3
    assert [r.verdict for r in report.rounds[:-2]] == ["continue"] * (len(report.rounds) - 2)
    assert report.rounds[-2].verdict == "stop-and-copy" and "within the 2.0 ms allowed" in report.rounds[-2].reason
    assert report.rounds[0].pages == result.source.memory.pages
    assert report.rounds[1].pages == report.rounds[0].dirty_pages_after
    transfer = {part.name: part.duration_ns for part in report.downtime_parts}
    assert transfer["last_pages"] < 3_000_000
    result.close()


def test_a_guest_that_writes_faster_than_the_link_is_given_up_and_told_why() -> None:
    result = rehearse(replace(BUSY, writes=Writes(pages=1000, per_tick=60)))
    report = result.report
    assert report is not None and (report.result, report.kind, report.runs_on) == (
        "unconverged",
        "unconverged",
        "source",
    )
    assert "no real progress in 3 rounds" in report.error
    assert result.source.running and not result.target.running and unbalanced(report) == []
    result.close()


def test_stop_and_copy_sends_every_page_once_and_stands_still_for_it() -> None:
    result = rehearse(replace(BUSY, algorithm="stop-and-copy"))
    report = report_of(result)
    assert [r.pages for r in report.rounds] == [result.source.memory.pages]
    assert report.downtime_ns + report.setup_ns == report.total_ns
    result.close()


def test_the_downtime_is_named_in_parts_that_the_link_model_explains() -> None:
    result = rehearse(replace(BUSY, writes=None, verdict_after_ns=7_000_000))
    parts = {part.name: part.duration_ns for part in report_of(result).downtime_parts}
    assert tuple(parts) == DOWNTIME_PARTS
    assert parts["commit"] == 7_000_000
    assert parts["transfer"] >= 2 * BUSY.link.latency_ns - 100_000
    result.close()


def test_the_observer_hears_phases_rounds_and_progress_in_order() -> None:
    result = rehearse(replace(BUSY, link=LinkModel(bandwidth_bytes_per_s=1e6), writes=None))
    told = [n.name if isinstance(n, PhaseBegins) else type(n).__name__ for n in result.notices]
    assert [t for t in told if t != "Progress"] == ["setup", "active", "Round", "stop-and-copy", "Round", "verify"]
    progress = [n for n in result.notices if isinstance(n, Progress)]
    assert len(progress) >= 2 and progress[0].pages_remaining > progress[-1].pages_remaining
    assert tuple(n for n in result.notices if isinstance(n, Round)) == report_of(result).rounds
    result.close()


def test_a_bandwidth_limit_is_kept_and_reached() -> None:
    result = rehearse(replace(BUSY, link=LinkModel(), writes=None, bandwidth_bytes_per_s=1_000_000))
    report = report_of(result)
    rate = report.bytes_sent * SECOND_NS / report.total_ns
    assert 950_000 < rate < 1_050_000
    assert_moved(result)
    result.close()


@pytest.mark.parametrize("writes", [None, BUSY.writes])
def test_the_same_scenario_gives_the_same_octets_reports_and_steps(writes: Writes | None) -> None:
    one, two = rehearse(replace(BUSY, writes=writes)), rehearse(replace(BUSY, writes=writes))
    assert (one.forward, one.backward) == (two.forward, two.backward)
    assert (one.report, one.notices, one.ended_ns) == (two.report, two.notices, two.ended_ns)
    assert one.source_steps == two.source_steps
    other = rehearse(replace(BUSY, writes=writes, seed=BUSY.seed + 1))
    assert other.forward != one.forward
    for each in (one, two, other):
        each.close()


def test_a_machine_that_was_paused_is_moved_and_is_left_paused_by_a_failure() -> None:
    class Against:
        async def decide(self, ready: Ready) -> Verdict:
            return Verdict.ABORT

    time = VirtualTime()
    source, target = TwinMachine(8192), TwinMachine(8192)
    near, far = pair(time)
    plan = Plan("m", guest_runs=False)
    out = time.spawn("s", migrate_out(source, near, plan, clock=time, workers=Inline(), authority=Against()))
    into = time.spawn("t", migrate_in(target, far, "m", clock=time, workers=Inline()))
    time.run(out, into)
    assert not source.running and out.result().error.endswith("the VM stays paused at the source")
    source.memory.close()
    target.memory.close()
