"""Who may touch a machine when: pausing, holding and input, over the built-in guest on the plain engine."""

import threading
import time

import pytest

from node.boot.multiboot import load_multiboot
from node.guests.builtin import builtin_kernel
from node.ia32.processor import PlainEngine
from node.vmm.machine import Machine, MachineConfig, Stopped
from node.vmm.thread import MachineThread

BOUND_S = 60.0


def booted(command_line: str) -> Machine:
    machine = Machine(MachineConfig(8 << 20, clock="virtual"), engine=PlainEngine(), monotonic_ns=time.monotonic_ns)
    machine.enter(load_multiboot(machine.memory, builtin_kernel(), command_line))
    return machine


class Witness:
    """What a thread told of its guest's end."""

    def __init__(self) -> None:
        self.reasons: list[Stopped] = []
        self._told = threading.Event()

    def __call__(self, stopped: Stopped) -> None:
        self.reasons.append(stopped)
        self._told.set()

    def wait(self) -> Stopped:
        assert self._told.wait(BOUND_S)
        return self.reasons[0]


def test_a_paused_guest_executes_nothing_until_it_is_resumed() -> None:
    machine, first = booted("idle"), threading.Event()
    thread = MachineThread(machine, Witness(), first.set)
    thread.start()
    assert first.wait(BOUND_S)
    thread.pause()
    before = machine.instructions
    assert before > 0 and not thread.running
    with thread.held():
        assert machine.instructions == before
    thread.resume()
    deadline = time.monotonic() + BOUND_S
    while machine.instructions == before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert machine.instructions > before
    thread.stop()


def test_whoever_holds_the_machine_sees_it_stand_still() -> None:
    machine = booted("work n=1")
    thread = MachineThread(machine, Witness())
    thread.start()
    for _ in range(5):
        with thread.held():
            before = machine.instructions
            time.sleep(0.002)
            assert machine.instructions == before
    thread.stop()


def test_the_thread_ends_with_its_guest_and_says_why() -> None:
    machine, witness = booted("unheard-of"), Witness()
    thread = MachineThread(machine, witness)
    thread.start()
    assert witness.wait().kind == "halted"
    thread.stop()
    assert b"unheard-of" in machine.console.read(0)[1]


def test_an_error_in_the_emulator_stops_that_machine_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, witness = booted("idle"), Witness()
    monkeypatch.setattr(machine.platform, "tick", lambda now: 1 // 0)
    thread = MachineThread(machine, witness)
    thread.start()
    assert witness.wait().kind == "error" and "ZeroDivisionError" in witness.reasons[0].text
    thread.stop()
