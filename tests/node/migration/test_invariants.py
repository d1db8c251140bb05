"""Random scenarios, with and without faults: one owner at most, and always a true report.

The seed of each run is printed; `Scenario` with it replays the run to the octet.
"""

import random
from dataclasses import replace

import numpy as np
import pytest

from node.memory.ram import PAGE
from node.migration import snapshot
from node.migration.commit import Ready, Verdict
from node.migration.faults import Fault
from node.migration.link import Inline
from node.migration.modelled import LinkModel, pair
from node.migration.outgoing import Plan
from node.migration.policy import Limits
from node.migration.rehearsal import Rehearsal, Scenario, rehearse
from node.migration.report import Report, unbalanced
from node.migration.source import ALGORITHMS, migrate_out
from node.migration.target import Held, migrate_in
from node.migration.twin import TwinMachine, Writes, run_writer
from node.migration.verify import verify
from node.migration.virtual import SECOND_NS, VirtualTime

MS = 1_000_000


def some_fault(rng: random.Random) -> Fault | None:
    kind = rng.choice(["cut", "flip", "stall", None, None, None, None])
    if kind is None:
        return None
    octet = rng.choice([rng.randrange(300), rng.randrange(300_000)])
    return Fault(kind, octet, bit=rng.randrange(8), stall_ns=rng.choice([1, 31]) * SECOND_NS)  # type: ignore[arg-type]


def some_scenario(rng: random.Random) -> Scenario:
    pages = rng.randrange(1, 80)
    return Scenario(
        seed=rng.randrange(1 << 32),
        ram_bytes=pages * PAGE,
        rom=bytes(rng.randrange(3)) or b"",
        filled=rng.random(),
        writes=rng.choice([None, Writes(rng.randrange(1, pages + 1), rng.randrange(1, 30), 5 * MS)]),
        link=LinkModel(10 ** rng.uniform(5, 8), rng.randrange(3_000_000), rng.choice([None, None, 20 * MS])),
        algorithm=rng.choice(list(ALGORITHMS)),
        limits=Limits(max_downtime_ns=rng.choice([1, 10, 300]) * MS, max_rounds=rng.randrange(1, 12)),
        bandwidth_bytes_per_s=rng.choice([0, 0, 300_000]),
        source_fault=some_fault(rng),
        target_fault=rng.choice([None, some_fault(rng)]),
        cancel_at_ns=rng.choice([None, None, rng.randrange(200 * MS)]),
        verdict=rng.choice([Verdict.COMMIT, Verdict.COMMIT, Verdict.ABORT, None]),
        verdict_after_ns=rng.choice([0, 5 * MS]),
    )


def check(result: Rehearsal) -> str:
    report = result.report
    assert report is not None and unbalanced(report) == []
    assert result.most_running <= 1 and not result.source.tracking
    running = {"source": (True, False), "target": (False, True), "": (False, False)}[report.runs_on]
    assert (result.source.running, result.target.running) == running
    if report.result == "succeeded":
        assert result.target.memory.bytes.tobytes() == result.source.memory.bytes.tobytes()
        assert snapshot.encode(result.target.records()) == snapshot.encode(result.source.records())
        assert verify(result.forward).digest == report.digest
    else:
        assert report.kind and report.error
    return report.result


def play_many(count: int) -> set[str]:
    seed, seen = random.SystemRandom().randrange(1 << 32), set()
    print(f"seed {seed}")
    rng = random.Random(seed)
    for number in range(count):
        scenario = some_scenario(rng)
        result = rehearse(scenario)
        try:
            seen.add(check(result))
        except AssertionError as broken:
            raise AssertionError(f"scenario {number}: {scenario}") from broken
        finally:
            result.close()
    return seen


def test_random_scenarios_keep_the_invariants() -> None:
    assert {"succeeded", "failed", "cancelled"} <= play_many(80)


@pytest.mark.slow
def test_many_random_scenarios_keep_the_invariants() -> None:
    assert play_many(1000) == {"succeeded", "failed", "cancelled", "unconverged", "undecided"}


class Commit:
    async def decide(self, ready: Ready) -> Verdict:
        return Verdict.COMMIT


def move(time: VirtualTime, source: TwinMachine, target: TwinMachine) -> tuple[Report, Held | Exception]:
    """One migration between two machines that live on."""
    near, far = pair(time, LinkModel(bandwidth_bytes_per_s=20e6))
    plan = Plan("m", limits=Limits(max_downtime_ns=3 * MS))
    out = time.spawn("s", migrate_out(source, near, plan, clock=time, workers=Inline(), authority=Commit()))
    into = time.spawn("t", migrate_in(target, far, "m", clock=time, workers=Inline()))
    time.run(out, into)
    if out.result().result == "succeeded":
        target.resume()
    return out.result(), into.error or into.result()  # type: ignore[return-value]


def test_a_machine_that_goes_to_and_fro_keeps_every_write() -> None:
    """The second migration is the field's classic: pages marked, or not, by the first."""
    time, machine = VirtualTime(), TwinMachine(100 * PAGE, running=True)
    machine.fill(1)
    for journey in range(20):
        guest = time.spawn("guest", run_writer(machine, Writes(60, 1), time, journey))
        target = TwinMachine(100 * PAGE)
        report, held = move(time, machine, target)
        assert report.result == "succeeded" and isinstance(held, Held) and len(report.rounds) >= 2
        np.testing.assert_array_equal(target.memory.bytes, machine.memory.bytes)
        guest.coroutine.close()
        guest.done = True
        machine.memory.close()
        machine = target
    machine.memory.close()
    time.close()


def fail_at_loading(breakage: str) -> tuple[Report, Exception]:
    class Broken(TwinMachine):
        def loaded(self) -> None:
            if breakage == "raises":
                raise RuntimeError("the CPU does not know CPUID leaf 7")
            self.timer["latch"]["value"] += 1

    time, source, target = VirtualTime(), TwinMachine(8192, running=True), Broken(8192)
    report, error = move(time, source, target)
    assert source.running and not target.running and isinstance(error, Exception)
    source.memory.close()
    target.memory.close()
    return report, error


def test_a_target_that_cannot_load_says_why_and_the_source_runs_on() -> None:
    report, _ = fail_at_loading("raises")
    assert (report.kind, report.runs_on) == ("internal", "source")
    assert "the target says: RuntimeError: the CPU does not know CPUID leaf 7" in report.error


def test_a_target_whose_state_is_not_the_sources_after_loading_names_the_field() -> None:
    report, error = fail_at_loading("differs")
    assert (report.kind, report.runs_on) == ("verify-mismatch", "source")
    assert "timer.latch.value" in report.error and "timer.latch.value" in str(error)


def test_an_unknown_algorithm_is_the_callers_error_and_the_link_is_closed() -> None:
    time, machine = VirtualTime(), TwinMachine(8192, running=True)
    near, far = pair(time)
    plan = Plan("m", "teleport")
    task = time.spawn("s", migrate_out(machine, near, plan, clock=time, workers=Inline(), authority=Commit()))
    time.run(task)
    with pytest.raises(ValueError, match="teleport is no algorithm; there are pre-copy and stop-and-copy"):
        task.result()
    assert far.readable() and machine.running
    machine.memory.close()


def test_a_scenario_replays_to_the_octet_with_its_faults() -> None:
    rng = random.Random(11)
    for _ in range(20):
        scenario = some_scenario(rng)
        one, two = rehearse(scenario), rehearse(replace(scenario))
        assert (one.forward, one.backward, one.report) == (two.forward, two.backward, two.report)
        assert (one.ended_ns, one.source_steps, one.notices) == (two.ended_ns, two.source_steps, two.notices)
        one.close()
        two.close()
