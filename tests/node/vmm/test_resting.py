"""A guest that halts rests in native code until something is due or somebody wants the machine."""

import select
import threading
import time
from typing import Any

import pytest

from node.domain.native import CLOCK_GETTIME, PPOLL
from node.ia32.resting import LONGEST_REST_NS, host_wait
from node.ia32.state import CS, EBX, ECX
from node.vmm.bell import Bell
from node.vmm.machine import Machine, MachineConfig, Stopped
from node.vmm.thread import MachineThread
from tests.node.vmm.ticking_guest import CODE, HALTING, STEP_NS, TICKS, Host, run_to_end, ticking
from tests.support.engine import ENGINES, engine_named

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

PERIOD_NS = 50_000_000
BOUND_S = 60.0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tick_ends_a_rest_and_the_host_has_nothing_to_do(engine: str) -> None:
    host = Host()
    machine = ticking(engine, host, loop=HALTING, period_ns=PERIOD_NS)
    assert run_to_end(machine).kind == "exit"
    cpu, stats = machine.processor.cpu, machine.stats()
    assert cpu.gpr[EBX] == cpu.gpr[ECX] == TICKS == stats["halts"]
    assert len(host.waits) == TICKS and all(PERIOD_NS - 20 * STEP_NS < wait <= PERIOD_NS for wait in host.waits)
    assert TICKS * PERIOD_NS <= machine.now <= (TICKS + 1) * PERIOD_NS
    if engine != "translated":  # which is given notes of all it runs, and takes them first
        assert stats.get("exits_halt", 0) == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_guest_that_waits_for_nothing_rests_all_the_same(engine: str) -> None:
    host = Host()
    machine = ticking(engine, host, loop=HALTING)
    machine.memory.write(CODE, b"\xfb\xf4\xf4")  # sti; hlt; hlt
    machine.advance()
    assert len(host.waits) > 2 and max(host.waits) == LONGEST_REST_NS
    assert machine.processor.cpu.halted and machine.instructions == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_who_wants_the_machine_ends_the_rest_once(engine: str) -> None:
    host = Host()
    machine = ticking(engine, host, loop=HALTING, period_ns=PERIOD_NS)
    machine.ask()
    while not machine.processor.cpu.halted:
        assert machine.advance() is None
    assert machine.advance() is None and not host.waits
    machine.answer()
    machine.advance()
    assert host.waits, "the bell is silent again"


class Visited(Host):
    """Somebody asks for its machine whenever that has begun to rest."""

    machine: Machine

    def _wait(self, bell: Any, count: int, time: Any, mask: Any) -> int:
        assert not _is_rung(bell.contents.descriptor)
        self.machine.ask()
        assert _is_rung(bell.contents.descriptor)
        return super()._wait(bell, count, time, mask)


def _is_rung(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_who_asks_rings_the_bell_that_the_rest_waits_for() -> None:
    host = Visited()
    host.machine = machine = ticking("plain", host, loop=HALTING, period_ns=PERIOD_NS)
    for visits in (1, 2):
        while machine.stats()["halts"] < visits:
            assert machine.advance() is None
        machine.answer()
    assert not host.waits, "no rest was slept to its end"


def test_ppoll_returns_when_the_bell_is_rung() -> None:
    """Or after a year."""
    bell = Bell()
    bell.ring()
    host_wait(PPOLL, bell.descriptor, 365 * 86_400 * 1_000_000_000)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_guest_that_halts_without_interrupts_is_switched_off(engine: str) -> None:
    machine = ticking(engine, Host(), loop=b"\xfa\xf4")
    outcome = run_to_end(machine)
    assert outcome.kind == "halted"


def test_a_resting_thread_is_woken_to_hold_pause_and_stop_its_machine() -> None:
    """On the host's own clock, with nothing due for the longest rest."""
    ended: list[Stopped] = []
    machine = Machine(
        MachineConfig(1 << 20), engine=engine_named("plain"), monotonic_ns=time.monotonic_ns, host_clock=CLOCK_GETTIME,
        host_wait=PPOLL,
    )  # fmt: skip
    machine.memory.write(0x7C00, b"\xfb\xf4\xeb\xfd")  # sti; hlt; jmp to hlt
    machine.processor.cpu.eip = 0x7C00
    machine.processor.cpu.base[CS] = 0
    thread, waited = MachineThread(machine, ended.append), threading.Event()
    thread.start()

    def use() -> None:
        for _ in range(20):
            with thread.held():
                assert not ended
        thread.pause()
        thread.resume()
        thread.stop()
        waited.set()

    threading.Thread(target=use, daemon=True).start()
    assert waited.wait(BOUND_S)
