"""What is translated next, and when: requests over a clock and a heat of our own."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from node.jit.regions.requests import Request, Requests
from node.jit.regions.settings import Figures, Settings

SETTINGS = Settings(share=0.5, idle_share=0.5, head_start_ns=100)
WAIT_S = 20.0


@dataclass
class World:
    """`now`: the clock; `heat` by key."""

    now: int = 0
    heat: dict[int, int] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)

    def requests(self, settings: Settings = SETTINGS) -> Requests:
        return Requests(settings, self.figures, lambda key: self.heat.get(key, 0), lambda: self.now)


def request(key: int, *, hot: bool) -> Request:
    return Request(key, linear=key, mode=5, hot=hot)


def taken(requests: Requests, count: int) -> list[int]:
    return [requests.wait().key for _ in range(count)]


def comes_after(requests: Requests, event: Callable[[], None]) -> bool:
    """Whether a thread that waits for a request gets one after `event` and not before."""
    got = threading.Event()

    def wait() -> None:
        requests.wait()
        got.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    early = got.wait(0.2)
    event()
    return got.wait(WAIT_S) and not early


def test_what_is_warm_comes_before_what_is_hot_and_the_hottest_first() -> None:
    world = World(heat={1: 10, 2: 30, 3: 20})
    requests = world.requests()
    requests.add([request(key, hot=True) for key in (1, 2, 3)] + [request(9, hot=False)])
    assert taken(requests, 4) == [9, 2, 3, 1]


def test_translating_waits_when_its_share_is_spent_until_the_guest_has_run_on() -> None:
    world = World(heat={1: 1})
    requests = world.requests()
    world.figures.translating_ns = 101
    requests.add([request(1, hot=True)])
    assert comes_after(requests, lambda: requests.guest_at(10))


def test_a_guest_at_rest_leaves_its_time_to_translating() -> None:
    world = World(heat={1: 1})
    requests = world.requests()
    world.figures.translating_ns = 1_000
    requests.add([request(1, hot=True)])

    def time_passes() -> None:
        world.now = 10_000

    assert comes_after(requests, time_passes)


def test_a_long_rest_does_not_earn_more_than_may_be_saved() -> None:
    world = World(heat={1: 1})
    requests = world.requests(Settings(share=0.5, idle_share=0.5, head_start_ns=100, saved_ns=1_000))
    world.now = 1_000_000_000
    requests.add([request(1, hot=True)])
    assert taken(requests, 1) == [1]
    world.figures.translating_ns = 1_001
    requests.add([request(1, hot=True)])

    def the_guest_runs_on() -> None:
        world.now += 4_000
        requests.guest_at(4_000)

    assert comes_after(requests, the_guest_runs_on)


def test_what_costs_more_than_there_is_comes_next_once_it_can_be_paid_for() -> None:
    world = World(heat={1: 10, 2: 20})
    requests = world.requests()
    requests.add([request(1, hot=True), request(2, hot=True)])
    dear = requests.wait()
    assert dear.key == 2 and requests.affords(100) and not requests.affords(101)
    world.heat[1] = 30  # a hotter one does not take what is saved for it
    requests.put_back(dear, 150)
    assert comes_after(requests, lambda: requests.guest_at(100))
    assert taken(requests, 1) == [1]


def test_looking_for_what_exists_is_not_put_off_by_what_is_saved_for() -> None:
    world = World(heat={1: 1})
    requests = world.requests()
    requests.add([request(1, hot=True)])
    requests.put_back(requests.wait(), 1 << 40)
    requests.add([request(2, hot=False)])
    assert taken(requests, 1) == [2]


def test_looking_for_what_exists_is_never_put_off() -> None:
    world = World()
    requests = world.requests()
    world.figures.translating_ns = 1 << 40
    requests.add([request(1, hot=True), request(2, hot=False)])
    assert taken(requests, 1) == [2]


def test_a_request_to_look_for_what_exists_wakes_whoever_waits() -> None:
    requests = World().requests()
    assert comes_after(requests, lambda: requests.add([request(1, hot=False)]))


def test_what_is_too_much_is_dropped_and_counted() -> None:
    world = World()
    requests = world.requests(Settings(waiting=2))
    requests.add([request(key, hot=True) for key in range(5)])
    assert world.figures.dropped == 3
