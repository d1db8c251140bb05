"""Whatever goes wrong before the commit, the source runs on, the target never runs, and the report says so.

Faults are walked over a migration of two pages (one with content, one of zeros): every octet of both directions, every
bit of chosen octets, every step at which the source can be interrupted.
"""

import random
from dataclasses import replace

import pytest

from node.migration.commit import Verdict
from node.migration.faults import Fault
from node.migration.link import Inline
from node.migration.modelled import LinkModel, pair
from node.migration.outgoing import Plan
from node.migration.policy import Limits
from node.migration.rehearsal import Rehearsal, Scenario, rehearse
from node.migration.report import unbalanced
from node.migration.source import migrate_out
from node.migration.target import migrate_in
from node.migration.twin import TwinMachine, Writes
from node.migration.virtual import SECOND_NS, Interrupted, VirtualTime

SMALL = Scenario(seed=0, ram_bytes=8192, filled=0.5, link=LinkModel(bandwidth_bytes_per_s=1e6, latency_ns=1000))


def play(scenario: Scenario) -> Rehearsal:
    result = rehearse(scenario)
    result.close()
    return result


def assert_source_runs_on(result: Rehearsal, *kinds: str) -> None:
    assert result.report is not None
    assert result.report.kind in kinds, result.report
    assert result.report.runs_on == "source" and result.report.error.endswith("the VM runs on at the source")
    assert result.source.running and not result.source.tracking
    assert not result.target.running and result.most_running == 1
    assert unbalanced(result.report) == []


def walked(scenario: Scenario) -> tuple[int, range, int]:
    """Octets of the forward stream, those of them inside the one page's content, octets of the back stream."""
    result = rehearse(scenario)
    (page,) = (p for p in (0, 1) if any(result.target.memory.page(p)))
    begin = result.forward.index(result.target.memory.read(page * 4096, 4096))
    result.close()
    return len(result.forward), range(begin + 1, begin + 4095), len(result.backward)


FORWARD, PAYLOAD, BACKWARD = walked(SMALL)


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
def test_a_cut_at_any_octet_outside_the_pages_leaves_the_source_running(algorithm: str) -> None:
    scenario = replace(SMALL, algorithm=algorithm)
    forward, payload, backward = walked(scenario)
    for octet in [*range(payload.start), *range(payload.stop, forward)]:
        result = play(replace(scenario, source_fault=Fault("cut", octet)))
        assert_source_runs_on(result, "link-lost")
        assert result.held is None, f"cut before octet {octet}"
    for octet in range(backward):
        assert_source_runs_on(play(replace(scenario, target_fault=Fault("cut", octet))), "link-lost")


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
def test_a_cut_at_every_single_octet_leaves_the_source_running(algorithm: str) -> None:
    scenario = replace(SMALL, algorithm=algorithm)
    for octet in range(len(play(scenario).forward)):
        assert_source_runs_on(play(replace(scenario, source_fault=Fault("cut", octet))), "link-lost")


def test_a_flipped_bit_in_any_octet_outside_the_pages_is_a_corrupt_stream() -> None:
    rng = random.Random(7)
    for octet in [*range(PAYLOAD.start), *range(PAYLOAD.stop, FORWARD)]:
        fault = Fault("flip", octet, bit=rng.randrange(8))
        assert_source_runs_on(play(replace(SMALL, source_fault=fault)), "stream-corrupt")
    for octet in range(BACKWARD):
        fault = Fault("flip", octet, bit=rng.randrange(8))
        assert_source_runs_on(play(replace(SMALL, target_fault=fault)), "stream-corrupt")


def test_random_flipped_bits_inside_pages_are_corrupt_streams() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(200):
        fault = Fault("flip", rng.choice(PAYLOAD), bit=rng.randrange(8))
        result = play(replace(SMALL, source_fault=fault))
        assert_source_runs_on(result, "stream-corrupt")
        assert result.held is None, fault


def test_a_line_that_falls_silent_is_a_lost_link_after_the_stall_timeout() -> None:
    for octet in (0, 16, 100, 4300, FORWARD - 1):
        fault = Fault("stall", octet, stall_ns=60 * SECOND_NS)
        result = play(replace(SMALL, source_fault=fault))
        assert_source_runs_on(result, "link-lost")
        assert result.ended_ns < 100 * SECOND_NS


def test_a_line_that_falls_silent_for_less_than_that_only_takes_longer() -> None:
    result = play(replace(SMALL, source_fault=Fault("stall", 4300, stall_ns=20 * SECOND_NS)))
    assert result.report is not None and result.report.result == "succeeded"
    assert result.report.total_ns > 20 * SECOND_NS


def test_a_link_cut_at_any_moment_leaves_the_source_running() -> None:
    for at_us in range(0, 5300, 100):
        link = replace(SMALL.link, cut_at_ns=at_us * 1000)
        result = play(replace(SMALL, link=link))
        if result.report is not None and result.report.result == "succeeded":
            assert at_us >= 5000
            continue
        assert_source_runs_on(result, "link-lost")


def test_a_cancel_at_any_moment_is_told_to_the_target_and_the_source_runs_on() -> None:
    scenario = Scenario(
        ram_bytes=4 << 20,
        link=LinkModel(50e6, 100_000),
        writes=Writes(pages=800, per_tick=40),
        limits=Limits(max_downtime_ns=1_000_000, patience=30, max_rounds=6),
    )
    for at_ms in range(0, 200, 7):
        result = play(replace(scenario, cancel_at_ns=at_ms * 1_000_000))
        assert_source_runs_on(result, "cancelled")
        assert "the source says: cancelled by request" in str(result.target_error)


def test_an_interruption_at_any_step_before_the_asking_leaves_the_source_running() -> None:
    steps = play(SMALL).source_steps
    for algorithm in ("pre-copy", "stop-and-copy"):
        for step in range(1, steps):
            result = play(replace(SMALL, algorithm=algorithm, interrupt_at_step=step))
            if result.report is not None:
                continue  # this algorithm has ended by then
            assert result.source.running and not result.source.tracking, step
            assert not result.target.running, step
            assert (result.held is None) != (result.target_error is None), step


def test_an_interruption_during_the_asking_leaves_both_sides_standing() -> None:
    waiting = replace(SMALL, verdict_after_ns=SECOND_NS)
    steps = play(waiting).source_steps
    result = play(replace(waiting, interrupt_at_step=steps - 1))
    assert result.report is None and result.held is not None
    assert not result.source.running and not result.target.running


def test_an_authority_that_fails_leaves_both_sides_standing_and_the_report_undecided() -> None:
    result = play(replace(SMALL, verdict=None, verdict_after_ns=SECOND_NS))
    assert result.report is not None and result.held is not None
    assert (result.report.result, result.report.runs_on) == ("undecided", "")
    assert "stays paused until the commit authority is heard" in result.report.error
    assert not result.source.running and not result.target.running
    assert unbalanced(result.report) == []


def test_a_verdict_against_the_target_resumes_the_source() -> None:
    result = play(replace(SMALL, verdict=Verdict.ABORT, verdict_after_ns=SECOND_NS))
    assert_source_runs_on(result, "cancelled")
    assert result.held is not None  # until its agent is told to free it


def test_a_target_of_another_size_is_refused_in_words_on_both_sides() -> None:
    result = play(replace(SMALL, target_ram_bytes=12288))
    assert_source_runs_on(result, "target-refused")
    assert result.report is not None and "12288" in result.report.error and "12288" in str(result.target_error)


def test_a_write_that_was_not_marked_dirty_is_found_by_the_digest_and_the_page_named() -> None:
    scenario = Scenario(
        ram_bytes=4 << 20,
        link=LinkModel(50e6, 100_000),
        writes=Writes(pages=700, per_tick=20),
        limits=Limits(max_downtime_ns=60_000_000),
        forget=frozenset({600}),
    )
    result = play(replace(scenario, forget=frozenset()))
    assert result.report is not None and result.report.result == "succeeded"
    result = play(scenario)
    assert_source_runs_on(result, "verify-mismatch")
    assert result.report is not None and "page 0x258 (offset 0x258000 of its memory)" in result.report.error
    assert "page 0x258" in str(result.target_error)


def test_an_exception_is_reported_as_internal_with_its_name() -> None:
    def broken(self: TwinMachine) -> None:
        raise MemoryError("no room for the dirty log")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TwinMachine, "start_tracking", broken)
        result = play(SMALL)
    assert_source_runs_on(result, "internal")
    assert result.report is not None and "MemoryError: no room for the dirty log" in result.report.error


def test_the_interruption_itself_goes_on_to_whoever_threw_it() -> None:
    time = VirtualTime()
    machine = TwinMachine(8192, running=True)
    near, _ = pair(time)

    class Nobody:
        async def decide(self, ready: object) -> Verdict:
            raise AssertionError("must not be asked")

    coroutine = migrate_out(machine, near, Plan("m"), clock=time, workers=Inline(), authority=Nobody())
    task = time.spawn("source", coroutine)
    while task.steps < 3:  # opening, header, and it waits for an answer that never comes
        assert time.step()
    time.interrupt(task)
    time.run(task)
    with pytest.raises(Interrupted):
        task.result()
    assert machine.running
    machine.memory.close()


def test_a_failure_after_the_commit_never_touches_the_guest() -> None:
    """The verdict is heard, and then the clock breaks: whoever sees it, the source must not run again."""

    class Breaking(VirtualTime):
        broken = False

        def now_ns(self) -> int:
            if self.broken:
                raise OSError("the clock is gone")
            return super().now_ns()

    class Commits:
        async def decide(self, ready: object) -> Verdict:
            time.broken = True
            return Verdict.COMMIT

    time = Breaking()
    source, target = TwinMachine(8192, running=True), TwinMachine(8192)
    near, far = pair(time)
    coroutine = migrate_out(source, near, Plan("m"), clock=time, workers=Inline(), authority=Commits())
    task = time.spawn("source", coroutine)
    time.spawn("target", migrate_in(target, far, "m", clock=time, workers=Inline()))
    while not task.done:
        time.step()
    assert isinstance(task.error, OSError) and not source.running
    source.memory.close()
    target.memory.close()
