"""A whole migration in virtual time, both ends in one thread: a pure function of its scenario.

The product's own source and target run over a modelled link between two twins, with a guest that writes. The same
scenario gives the same reports, the same octets on the wire and the same number of steps, on any host. It is what the
tests walk faults over, and what answers "how would this guest migrate over that link?" before anybody tries.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field

from node.migration.commit import Ready, Verdict
from node.migration.faults import Fault, Faulty
from node.migration.link import Captured, Inline
from node.migration.modelled import LinkModel, pair
from node.migration.outgoing import Cancel, Notice, Plan
from node.migration.policy import Limits
from node.migration.report import Report
from node.migration.source import migrate_out
from node.migration.target import Held, migrate_in
from node.migration.twin import TwinMachine, Writes, run_writer
from node.migration.virtual import Task, VirtualTime

MIGRATION_ID = "rehearsal"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a rehearsal depends on."""

    seed: int = 0
    ram_bytes: int = 1 << 20
    rom: bytes = b""
    filled: float = 0.5  # share of pages with content
    writes: Writes | None = None
    link: LinkModel = field(default_factory=LinkModel)
    algorithm: str = "pre-copy"
    limits: Limits = field(default_factory=Limits)
    bandwidth_bytes_per_s: int = 0
    source_fault: Fault | None = None  # in what the source sends
    target_fault: Fault | None = None
    forget: frozenset[int] = frozenset()  # pages whose writes go unmarked
    cancel_at_ns: int | None = None
    interrupt_at_step: int | None = None  # throw into the source when it is resumed for the n-th time
    verdict: Verdict | None = Verdict.COMMIT  # None: the authority fails
    verdict_after_ns: int = 0
    target_ram_bytes: int | None = None


@dataclass(slots=True)
class Rehearsal:
    """What came of it."""

    report: Report | None  # None: the source was interrupted
    held: Held | None
    target_error: BaseException | None
    source: TwinMachine
    target: TwinMachine
    notices: list[Notice]
    forward: bytes  # as the source meant it, before any fault
    backward: bytes
    source_steps: int
    ended_ns: int
    most_running: int  # machines at once, at any moment

    def close(self) -> None:
        self.source.memory.close()
        self.target.memory.close()


class _Authority:
    """The commit point of a rehearsal: decides as told, and lets the target run on COMMIT."""

    def __init__(self, scenario: Scenario, time: VirtualTime, activate: Callable[[], None]) -> None:
        self._scenario = scenario
        self._time = time
        self._activate = activate

    async def decide(self, ready: Ready) -> Verdict:
        verdict, after = self._scenario.verdict, self._scenario.verdict_after_ns
        if after:
            await self._time.sleep_until(self._time.now_ns() + after)
        if verdict is None:
            raise ConnectionError("the commit authority does not answer")
        if verdict is Verdict.COMMIT:
            self._activate()
        return verdict


class _Stage:
    """The two ends and all that moves between them."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.time = VirtualTime()
        self.source = TwinMachine(scenario.ram_bytes, scenario.rom, running=True)
        self.source.fill(scenario.seed, scenario.filled)
        self.source.forget = set(scenario.forget)
        self.target = TwinMachine(scenario.target_ram_bytes or scenario.ram_bytes, bytes(len(scenario.rom)))
        self.wires = (io.BytesIO(), io.BytesIO())
        self.notices: list[Notice] = []
        self.cancel = Cancel()
        self.most_running = 1
        self.source_task, self.target_task = self._ends()
        if scenario.writes is not None:
            self.time.spawn("guest", run_writer(self.source, scenario.writes, self.time, scenario.seed))
        if scenario.cancel_at_ns is not None:
            self.time.spawn("canceller", self._cancel(scenario.cancel_at_ns))

    def _ends(self) -> tuple[Task, Task]:
        scenario, time = self.scenario, self.time
        here, there = pair(time, scenario.link)
        near = Captured(Faulty(here, time, scenario.source_fault), self.wires[0])
        far = Captured(Faulty(there, time, scenario.target_fault), self.wires[1])
        plan = Plan(MIGRATION_ID, scenario.algorithm, scenario.limits, scenario.bandwidth_bytes_per_s)
        outgoing = migrate_out(
            self.source,
            near,
            plan,
            clock=time,
            workers=Inline(),
            authority=_Authority(scenario, time, self.target.resume),
            observe=self.notices.append,
            cancel=self.cancel,
        )
        incoming = migrate_in(self.target, far, MIGRATION_ID, clock=time, workers=Inline())
        return time.spawn("source", outgoing), time.spawn("target", incoming)

    async def _cancel(self, at_ns: int) -> None:
        await self.time.sleep_until(at_ns)
        self.cancel.request()

    def run(self) -> None:
        interrupted = False
        while not (self.source_task.done and self.target_task.done):
            if not interrupted and self.source_task.steps == self.scenario.interrupt_at_step:
                interrupted = True
                self.time.interrupt(self.source_task)
            assert self.time.step(), "both ends wait for each other"
            self.most_running = max(self.most_running, self.source.running + self.target.running)


def rehearse(scenario: Scenario) -> Rehearsal:
    """Play the scenario to its end."""
    stage = _Stage(scenario)
    try:
        stage.run()
    finally:
        stage.time.close()
    source, target = stage.source_task, stage.target_task
    return Rehearsal(
        report=source.answer,
        held=target.answer,
        target_error=target.error,
        source=stage.source,
        target=stage.target,
        notices=stage.notices,
        forward=stage.wires[0].getvalue(),
        backward=stage.wires[1].getvalue(),
        source_steps=source.steps,
        ended_ns=stage.time.now_ns(),
        most_running=stage.most_running,
    )
