"""Slices end and begin without the host, and the guest sees what it would see if the host looked at its clock after
each of them."""

import pytest

from node.ia32.slices import GATHERING_NS, LONGEST_NS
from node.ia32.state import EBX, ECX
from tests.node.vmm.ticking_guest import BUSY, CODE, PERIOD_NS, STEP_NS, TICKS, Host, run_to_end, ticking
from tests.support.engine import ENGINES

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

FOREVER = b"\xeb\xfe"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_timer_ticks_as_often_with_the_host_looking_on_as_without(engine: str) -> None:
    ended = {}
    for natively in (True, False):
        host = Host()
        machine = ticking(engine, host, natively=natively)
        assert run_to_end(machine).kind == "exit" and machine.processor.cpu.gpr[EBX] == TICKS
        assert TICKS * PERIOD_NS <= machine.now <= 4 * TICKS * PERIOD_NS
        ended[natively] = machine.stats()
    assert ended[True]["interrupts"] == ended[False]["interrupts"] == TICKS
    by_itself = ended[True].get("exits_budget", 0)  # when there is something for a translator to take
    assert by_itself <= 1 < TICKS - 1 <= ended[False]["exits_budget"]


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_every_engine_cuts_the_same_slices(engine: str) -> None:
    hosts = Host(), Host()
    machines = [ticking(e, host) for e, host in zip(("plain", engine), hosts, strict=True)]
    for machine in machines:
        run_to_end(machine)
    plain, native = machines
    assert (native.instructions, native.now) == (plain.instructions, plain.now)
    assert native.processor.cpu.gpr[ECX] == plain.processor.cpu.gpr[ECX]
    assert hosts[0].looks == hosts[1].looks


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_the_host_is_given_control_now_and_then_and_at_once_when_it_asks(engine: str) -> None:
    host = Host()
    machine = ticking(engine, host)
    code = bytes(machine.memory.view[CODE : CODE + 64])
    machine.memory.write(CODE + code.index(BUSY[-2:]), FOREVER)
    for _ in range(3):  # a translator has nothing more to take the third time
        begun = host.now
        machine._run(machine.clock.tell(machine.instructions))
    assert LONGEST_NS <= host.now - begun < LONGEST_NS + 4 * STEP_NS
    looks = host.looks
    machine.ask()
    assert machine.advance() is None
    assert host.looks - looks < 4, "one slice, and what surrounds it"


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_bytes_that_native_code_keeps_do_not_wait_there_for_long(engine: str) -> None:
    host = Host()
    machine = ticking(engine, host)
    machine.memory.write(CODE, bytes.fromhex("66baf803 b041 ee ee ebfe"))  # mov dx, 3F8h; mov al, 'A'; out; out; jmp $
    machine._serve(machine._run(machine.clock.tell(machine.instructions)))  # the first is the host's, which then lends
    assert machine.console.total == 1
    begun = host.now
    machine._run(machine.clock.tell(machine.instructions))
    assert machine.console.total == 2 and GATHERING_NS <= host.now - begun < GATHERING_NS + 4 * STEP_NS
