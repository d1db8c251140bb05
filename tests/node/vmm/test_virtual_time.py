"""Under the virtual clock a run is a function of its input: the built-in guest's state after N instructions is the same
on every run, on every engine, and when the run was saved and restored into a fresh machine at any instruction.

State is all of memory and the octets of the snapshot that a migration would carry.
"""

from dataclasses import dataclass
from random import Random

import pytest
import xxhash

from node.boot.multiboot import load_multiboot
from node.guests.builtin import builtin_kernel
from node.migration import snapshot
from node.vmm.machine import Machine, MachineConfig
from tests.support.engine import engine_named
from tests.support.seeds import random_for

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

CONFIG = MachineConfig(16 << 20, clock="virtual", exit_port=0xF4, wall_clock_unix_ns=1_000_000_000_000_000_000)
TYPED = b"hello\rand again\r"  # by somebody, at half time


@dataclass(frozen=True, slots=True)
class Workload:
    command_line: str
    instructions: int  # how long a run is: guests that sleep do much in few of them


WORKLOADS = {
    "idle": Workload("idle", 400_000),
    "tick": Workload("tick", 400_000),
    "console": Workload("console", 400_000),
    "dirty": Workload("dirty rate=1000 pages=300 words=16", 3_000_000),
    "muncher": Workload("dirty rate=max pages=max words=4 sweep=1", 3_000_000),
    "work": Workload("work n=64", 3_000_000),
}


# How often its state is compared on the way, with the translator and without
LOCK_STEP = 40


def booted(workload: Workload, engine: str = "native") -> Machine:
    machine = Machine(CONFIG, engine=engine_named(engine), monotonic_ns=_no_clock)
    machine.enter(load_multiboot(machine.memory, builtin_kernel(), workload.command_line, []))
    return machine


def _no_clock() -> int:
    raise AssertionError("the virtual clock read the host's")


def run(machine: Machine, workload: Workload, instructions: int) -> None:
    """To exactly that many instructions since the start."""
    half = workload.instructions // 2
    if machine.instructions < half <= instructions:
        assert machine.run_until(half) is None
        assert machine.platform.serial_input(TYPED, machine.now) == len(TYPED)
    assert machine.run_until(instructions) is None
    assert machine.instructions == instructions


def digest(machine: Machine) -> str:
    state = xxhash.xxh3_128()
    state.update(machine.memory.view)
    state.update(snapshot.encode(machine.records()))
    return state.hexdigest()


def copied(original: Machine) -> Machine:
    """A machine that has never run, with the state of another, by way of the octets of a snapshot."""
    copy = Machine(CONFIG, engine=engine_named("native"), monotonic_ns=_no_clock)
    copy.memory.view[:] = original.memory.view
    snapshot.decode(snapshot.encode(original.records()), copy.records())
    copy.loaded()
    return copy


def check_restores(workload: Workload, moments: list[int]) -> None:
    """One machine runs on from moment to moment; at each a copy is made, which runs to the end alone."""
    original = booted(workload)
    ends: list[tuple[int, str]] = []
    for moment in sorted(moments):
        run(original, workload, moment)
        copy = copied(original)
        assert digest(copy) == digest(original), f"restored at {moment}: not even the state is the same"
        run(copy, workload, workload.instructions)
        ends.append((moment, digest(copy)))
        copy.memory.close()
    undisturbed = booted(workload)
    run(undisturbed, workload, workload.instructions)
    for moment, end in ends:
        assert end == digest(undisturbed), f"{workload}: saved and restored at instruction {moment}"


def moments(rng: Random, workload: Workload, count: int) -> list[int]:
    return [rng.randrange(1, workload.instructions) for _ in range(count)]


@pytest.mark.parametrize("name", WORKLOADS)
def test_two_runs_end_in_the_same_state(name: str) -> None:
    workload = WORKLOADS[name]
    first, second = booted(workload), booted(workload)
    run(first, workload, workload.instructions)
    for part in (1, 2, 3):
        run(second, workload, workload.instructions * part // 3)
    assert digest(first) == digest(second)
    assert workload.command_line in first.console.read(0)[1].decode()


@pytest.mark.parametrize("name", WORKLOADS)
def test_translated_and_interpreted_runs_are_in_the_same_state_all_along(name: str) -> None:
    workload = WORKLOADS[name]
    translated, interpreted = booted(workload, "translated"), booted(workload)
    for part in range(1, LOCK_STEP + 1):
        moment = workload.instructions * part // LOCK_STEP
        run(translated, workload, moment)
        run(interpreted, workload, moment)
        assert digest(translated) == digest(interpreted), f"{workload} between {moment} and the moment before"
    assert translated.stats()["instructions_translated"] > workload.instructions // 10


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_restored_run_ends_in_the_same_state(name: str) -> None:
    workload = WORKLOADS[name]
    check_restores(workload, moments(random_for(name), workload, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_run_restored_at_any_of_200_moments_ends_in_the_same_state(name: str) -> None:
    """40 for each workload: most of them anywhere, some at consecutive instructions."""
    workload = WORKLOADS[name]
    rng = random_for(f"{name} often")
    anywhere = moments(rng, workload, 30)
    start = rng.randrange(workload.instructions - 100)
    check_restores(workload, anywhere + [start + i for i in range(10)])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tick", "console"])
def test_both_engines_end_in_the_same_state(name: str) -> None:
    workload = WORKLOADS[name]
    first, second = booted(workload), booted(workload, "plain")
    run(first, workload, workload.instructions)
    run(second, workload, workload.instructions)
    assert digest(first) == digest(second)
