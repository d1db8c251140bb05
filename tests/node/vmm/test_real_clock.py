"""Guest time by the host's clock: all of it, but a stall in pieces that no guest takes for time it could have used."""

from node.ia32.state import MACHINE
from node.jitted import new_record
from node.vmm.clock import RealClock

MS = 1_000_000
SLICE = 200_000  # instructions


class Host:
    now = 5_000_000_000

    def __call__(self) -> int:
        return self.now


class Guest:
    """Executes slices of 0.4 ms."""

    def __init__(self) -> None:
        self.host = Host()
        self.clock = RealClock(self.host, new_record(MACHINE)[1])
        self.clock.release(0)
        self.begun, self.instructions, self.seen = self.host.now, 0, 0

    def slice(self, host_ns: int = 400_000, instructions: int = SLICE) -> int:
        """How much guest time it was."""
        self.host.now += host_ns
        self.instructions += instructions
        before, self.seen = self.seen, self.clock.tell(self.instructions)
        return self.seen - before

    @property
    def lag(self) -> int:
        return self.host.now - self.begun - self.seen


def test_what_the_guest_executes_takes_the_time_that_it_takes() -> None:
    guest = Guest()
    assert [guest.slice() for _ in range(50)] == [400_000] * 50
    assert guest.slice(host_ns=30_000, instructions=10) == 30_000, "an exit"
    assert guest.lag == 0


def test_a_stall_of_the_host_comes_in_steps_and_is_caught_up_with() -> None:
    guest = Guest()
    steps = [guest.slice(host_ns=25 * MS)]
    while guest.lag and len(steps) < 100:
        steps.append(guest.slice())
    assert max(steps) < 2 * MS and min(steps[:-1]) > 400_000
    assert len(steps) < 60


def test_a_host_that_is_always_slow_is_followed_at_a_bounded_distance() -> None:
    guest = Guest()
    lags = []
    for _ in range(2_000):
        guest.slice(host_ns=8 * MS, instructions=1_000)
        lags.append(guest.lag)
    assert max(lags) < 40 * 8 * MS
    assert abs(lags[-1] - lags[-2]) < MS, "it keeps up"


def test_a_bystander_who_asks_changes_nothing() -> None:
    guest, other = Guest(), Guest()
    for number in range(60):
        host_ns = 25 * MS if number == 5 else 400_000
        other.clock.now(other.instructions)
        assert guest.slice(host_ns) == other.slice(host_ns)


def test_an_idle_guest_gets_all_of_the_time_at_once() -> None:
    guest = Guest()
    wait_ns = guest.clock.idle_until(100 * MS, guest.instructions)
    assert wait_ns == 100 * MS
    guest.host.now += 130 * MS
    assert guest.clock.now(guest.instructions) == 130 * MS


def test_a_guest_that_begins_to_idle_behind_a_stall_waits_no_longer_than_it_must() -> None:
    guest = Guest()
    guest.slice(host_ns=25 * MS)
    assert guest.lag > 20 * MS
    assert guest.clock.idle_until(30 * MS, guest.instructions) == 5 * MS


def test_time_stands_still_while_held_and_no_stall_is_forgotten() -> None:
    guest = Guest()
    guest.slice(host_ns=25 * MS)
    guest.clock.hold(guest.instructions)
    guest.host.now += 1_000 * MS
    assert guest.clock.now(guest.instructions) == 25 * MS
    guest.clock.release(guest.instructions)
    assert guest.clock.now(guest.instructions) == 25 * MS
    guest.host.now += 400_000
    assert guest.clock.now(guest.instructions + SLICE) == 25 * MS + 400_000
