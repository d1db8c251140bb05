"""The real machine, moved in virtual time while the built-in guest dirties memory: its future is the unmoved one's.

After the move both copies run on, which only a test may do: they must stay equal to the last bit of every record and
page, so nothing that decides the machine's future was left behind.
"""

from dataclasses import dataclass

import pytest

from node.boot.multiboot import load_multiboot
from node.guests.builtin import builtin_kernel
from node.ia32.processor import Engine
from node.memory.ram import GuestMemory, PageNumbers
from node.migration import snapshot
from node.migration.commit import Ready, Verdict
from node.migration.link import Inline
from node.migration.modelled import LinkModel, pair
from node.migration.outgoing import Plan
from node.migration.policy import Limits
from node.migration.report import unbalanced
from node.migration.snapshot import Records
from node.migration.source import migrate_out
from node.migration.target import migrate_in
from node.migration.virtual import VirtualTime
from node.vmm.machine import Machine, MachineConfig
from tests.support.engine import engine_named

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MS = 1_000_000


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_named("native")


@dataclass
class Running:
    """A machine as a migration's source, run a stretch at a time."""

    machine: Machine
    runs: bool = True

    @property
    def memory(self) -> GuestMemory:
        return self.machine.memory

    def records(self) -> Records:
        return self.machine.records()

    def start_tracking(self) -> None:
        self.machine.start_tracking()

    def collect_dirty(self) -> PageNumbers:
        return self.machine.collect_dirty()

    def stop_tracking(self) -> None:
        self.machine.stop_tracking()

    def pause(self) -> None:
        self.runs = False

    def resume(self) -> None:
        self.runs = True


class Commit:
    async def decide(self, ready: Ready) -> Verdict:
        return Verdict.COMMIT


def built(engine: Engine) -> Machine:
    config = MachineConfig(16 << 20, clock="virtual", exit_port=0xF4)
    return Machine(config, engine=engine, monotonic_ns=lambda: 0)


async def run_guest(source: Running, time: VirtualTime) -> None:
    while True:
        await time.sleep_until(time.now_ns() + 2 * MS)
        if source.runs:
            source.machine.advance()


def assert_equal(one: Machine, other: Machine) -> None:
    assert snapshot.first_difference(snapshot.encode(one.records()), snapshot.encode(other.records())) is None
    assert bytes(one.memory.view) == bytes(other.memory.view)


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
def test_a_moved_machine_goes_on_exactly_as_the_unmoved_one(engine: Engine, algorithm: str) -> None:
    machine, target, time = built(engine), built(engine), VirtualTime()
    machine.enter(load_multiboot(machine.memory, builtin_kernel(), "dirty rate=100 pages=64", []))
    for _ in range(4):
        machine.advance()
    near, far = pair(time, LinkModel(bandwidth_bytes_per_s=50e6))
    source, plan = Running(machine), Plan("m", algorithm, Limits(max_downtime_ns=20 * MS))
    time.spawn("guest", run_guest(source, time))
    out = time.spawn("s", migrate_out(source, near, plan, clock=time, workers=Inline(), authority=Commit()))
    into = time.spawn("t", migrate_in(target, far, "m", clock=time, workers=Inline()))
    time.run(out, into)
    report = out.result()
    assert report.result == "succeeded" and unbalanced(report) == [], report
    assert len(report.rounds) >= (2 if algorithm == "pre-copy" else 1)
    assert_equal(machine, target)
    later = machine.instructions + 30_000_000
    assert machine.run_until(later) is None and target.run_until(later) is None
    assert_equal(machine, target)
    assert b"errors=0" in target.console.read(0)[1]
    time.close()
