"""How soon a migrated machine is as fast as before: its translated code does not travel, the target makes it anew.

A guest goes to and fro between two nodes that share nothing but this host. The second node's cache of translated code
is emptied before each arrival (*cold*: it has never seen such a guest); the first keeps its own (*warm*). The speed is
that of the guest's instructions, exact whoever executes them, asked of the domain every 20 ms. Before the migration it
is the median over two seconds, once it hardly grows; afterwards the first 100 ms count that are at least nine tenths as
fast, by their beginning; time is counted from the commit, the rest of the downtime included.
"""

import asyncio
import math
import shutil
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from protos import common_pb2, node_pb2
from tests.benchmarks.cpu.build import IMAGE
from tests.support import native_cache
from tests.support.debian import debian_image
from tests.support.foreground_guest import PROMPT
from tests.support.migrating import Controller
from tests.support.node_process import NodeProcess, node

EVERY_S = 0.02
WINDOW = 5  # samples
SHARE = 0.9
BEFORE_S = 2.0
STEADY = 0.05  # by how much two speeds may differ
BOUND_S = 120.0
ROUNDS = 2_000_000_000  # of a guest program: more than it can do meanwhile
NATIVE = "node.domain.native:MACHINERY"
SHELL_LOOP = "i=0; while :; do i=$((i+1)); done\n"


@dataclass(frozen=True, slots=True)
class Sample:
    at_s: float
    instructions: int


@dataclass(frozen=True, slots=True)
class Guest:
    name: str
    begin: Callable[[NodeProcess], Awaitable[None]]  # creates VM "a" and lets it compute
    settle_s: float = 0.0  # how long its speed grows slowly


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Seconds from each commit, inf where the bound came first, and the speed that was to be reached again."""

    guest: str
    cold_s: tuple[float, ...]
    warm_s: tuple[float, ...]
    instructions_per_s: float


def guests(scratch: Path) -> Iterator[Guest]:
    """A loop of one region, one of many, and Linux, if it can be had."""
    yield program("integer")
    yield program("sha256")
    yield debian(scratch)


def program(name: str) -> Guest:
    """One of bench-cpu's."""

    async def begin(n: NodeProcess) -> None:
        boot = common_pb2.MultibootBoot(
            kernel=common_pb2.BlobRef(digest=n.cache(IMAGE.read_bytes())), command_line=f"{name} n={ROUNDS}"
        )
        await _create(n, common_pb2.BootSource(multiboot=boot), memory_bytes=64 << 20)

    return Guest(name, begin)


def debian(scratch: Path) -> Guest:
    image = debian_image(scratch / "image")
    assert image.initrd is not None
    kernel, initrd = image.kernel.read_bytes(), image.initrd.read_bytes()

    async def begin(n: NodeProcess) -> None:
        boot = common_pb2.LinuxBoot(
            kernel=common_pb2.BlobRef(digest=n.cache(kernel)),
            initrd=common_pb2.BlobRef(digest=n.cache(initrd)),
            command_line=image.command_line,
        )
        await _create(n, common_pb2.BootSource(linux=boot), memory_bytes=64 << 20)
        _, said = await n.read_console("a", PROMPT)
        await n.read_console("a", "i=0", from_offset=len(said), typed=SHELL_LOOP)

    return Guest("Debian, a shell loop", begin, settle_s=60)


async def _create(n: NodeProcess, boot: common_pb2.BootSource, memory_bytes: int) -> None:
    spec = common_pb2.VmSpec(name="a", memory_bytes=memory_bytes, vmm="native", clock="real", boot=boot)
    await n.call("CreateVm", node_pb2.CreateVmRequest(spec=spec))
    await n.vm("StartVm", "a")


async def measured(guest: Guest, scratch: Path, times: int) -> WarmUp:
    """So many migrations to a cold target and back to a warm one."""
    states = scratch / "first", scratch / "second"
    for state in states:
        state.mkdir(parents=True)
        native_cache.share_with(state)
    cold: list[float] = []
    warm: list[float] = []
    speeds: list[float] = []
    async with node("n1", states[0], machinery=NATIVE) as n1, node("n2", states[1], machinery=NATIVE) as n2:
        await guest.begin(n1)
        await asyncio.sleep(guest.settle_s)
        for _ in range(times):
            shutil.rmtree(states[1] / "cache" / "regions", ignore_errors=True)
            for source, target, found in ((n1, n2, cold), (n2, n1, warm)):
                former = await _steady_speed(source)
                found.append(await _move(source, target, former))
                speeds.append(former)
        await n1.vm("DestroyVm", "a")
    return WarmUp(guest.name, tuple(cold), tuple(warm), statistics.median(speeds))


async def _move(source: NodeProcess, target: NodeProcess, former: float) -> float:
    """Seconds from the commit until it is as fast as it was, nearly."""
    controller = Controller(source, target)
    ready = await controller.migrate(await controller.prepare())
    assert ready.WhichOneof("event") == "ready_to_commit", ready
    committed_s = time.monotonic()
    await controller.commit()
    samples: deque[Sample] = deque(maxlen=WINDOW + 1)
    while time.monotonic() < committed_s + BOUND_S:
        samples.append(await _sample(target))
        if len(samples) > WINDOW and _speed(samples[0], samples[-1]) >= SHARE * former:
            return samples[0].at_s - committed_s
        await asyncio.sleep(EVERY_S)
    return math.inf


async def _steady_speed(n: NodeProcess) -> float:
    """The median of all windows of some time, when it is that of the time before."""
    deadline, before = time.monotonic() + BOUND_S, 0.0
    while time.monotonic() < deadline:
        speed = statistics.median(_speeds(await _samples(n, BEFORE_S)))
        if abs(speed - before) <= STEADY * speed:
            return speed
        before = speed
    raise AssertionError(f"the guest's speed is not steady within {BOUND_S:.0f} s")


async def _samples(n: NodeProcess, seconds: float) -> list[Sample]:
    samples = [await _sample(n)]
    while samples[-1].at_s < samples[0].at_s + seconds:
        await asyncio.sleep(EVERY_S)
        samples.append(await _sample(n))
    return samples


async def _sample(n: NodeProcess) -> Sample:
    info = await n.vm("GetVm", "a")  # the agent asks the domain, which does not stop the guest for it
    return Sample(time.monotonic(), info.instructions)


def _speeds(samples: Sequence[Sample]) -> list[float]:
    return [_speed(a, b) for a, b in zip(samples, samples[WINDOW:], strict=False)]


def _speed(begin: Sample, end: Sample) -> float:
    return (end.instructions - begin.instructions) / (end.at_s - begin.at_s)
