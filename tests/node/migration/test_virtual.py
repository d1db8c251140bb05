"""The trampoline, the modelled link, and the wrappers around a link."""

import io

import pytest

from node.migration.errors import LinkLost
from node.migration.faults import Fault, Faulty
from node.migration.link import Captured, Link
from node.migration.modelled import LinkModel, pair
from node.migration.shaper import Shaped, pieces
from node.migration.virtual import SECOND_NS, Deadlock, Signal, VirtualTime


def test_tasks_go_on_in_the_order_of_their_moments() -> None:
    time, trace = VirtualTime(), []

    async def sleeper(name: str, *moments: int) -> str:
        for moment in moments:
            await time.sleep_until(moment)
            trace.append((name, time.now_ns()))
        return name

    tasks = [time.spawn("a", sleeper("a", 5, 30)), time.spawn("b", sleeper("b", 5, 10, 20))]
    time.run(*tasks)
    assert trace == [("a", 5), ("b", 5), ("b", 10), ("b", 20), ("a", 30)]
    assert [task.result() for task in tasks] == ["a", "b"]


def test_waiting_for_each_other_is_a_deadlock_that_names_them() -> None:
    time = VirtualTime()
    signal = Signal(time)
    task = time.spawn("lonely", signal.wait())
    with pytest.raises(Deadlock, match="lonely"):
        time.run(task)
    time.close()


def transfer(model: LinkModel, sent: bytes, received: int) -> tuple[VirtualTime, bytearray, list[int]]:
    time = VirtualTime()
    near, far = pair(time, model)
    into, moments = bytearray(received), [0, 0]

    async def send() -> None:
        await near.send([sent[:10], memoryview(sent)[10:]])
        moments[0] = time.now_ns()

    async def receive() -> None:
        view = memoryview(into)
        await far.receive_into(view[:3], view[3:])
        moments[1] = time.now_ns()

    tasks = time.spawn("send", send()), time.spawn("receive", receive())
    time.run(*tasks)
    for task in tasks:
        task.result()
    return time, into, moments


def test_a_send_takes_its_octets_time_and_arrives_a_latency_later() -> None:
    model = LinkModel(bandwidth_bytes_per_s=1000, latency_ns=5)
    _, into, moments = transfer(model, bytes(range(100)), 100)
    assert into == bytes(range(100))
    assert moments == [SECOND_NS // 10, SECOND_NS // 10 + 5]


def test_a_receiver_who_waits_in_vain_finds_the_link_lost() -> None:
    with pytest.raises(LinkLost, match="nothing came for 2 s"):
        transfer(LinkModel(stall_ns=2 * SECOND_NS), bytes(100), 101)


def test_what_was_sent_before_the_close_arrives_and_nothing_after() -> None:
    time = VirtualTime()
    near, far = pair(time)

    async def send() -> None:
        assert not near.readable()
        await near.send([b"last words"])
        await near.close()

    async def receive() -> bytes:
        into = bytearray(10)
        await far.receive_into(memoryview(into))
        await time.sleep_until(1)
        assert far.readable()
        with pytest.raises(LinkLost, match="closed"):
            await far.receive_into(memoryview(into))
        with pytest.raises(LinkLost, match="closed"):
            await far.send([b"hello?"])
        return bytes(into)

    tasks = time.spawn("send", send()), time.spawn("receive", receive())
    time.run(*tasks)
    assert tasks[1].result() == b"last words"


@pytest.mark.parametrize("rate", [1, 777, 100_000, 62_500_000])
def test_the_shaper_never_exceeds_its_rate_by_more_than_a_burst_and_reaches_it(rate: int) -> None:
    time = VirtualTime()
    near, _ = pair(time)
    seen: list[tuple[int, int]] = []

    class Watched:
        async def send(self, buffers: list[memoryview]) -> None:
            seen.append((time.now_ns(), sum(map(len, buffers))))
            await near.send(buffers)

    shaped = Shaped(Watched(), time, rate)  # type: ignore[arg-type]
    octets = min(2 * rate + 3, 4_000_000)
    task = time.spawn("send", shaped.send([bytes(octets // 3), bytes(octets - octets // 3)]))
    time.run(task)
    task.result()
    burst, total = max(1, rate // 50), 0
    for now, size in seen:
        total += size
        assert total <= rate * now / SECOND_NS + burst + 1e-6
    assert total == octets and time.now_ns() <= octets * SECOND_NS / rate * 1.01 + 2


def test_pieces_are_the_buffers_in_order() -> None:
    assert b"".join(pieces([b"abc", b"", memoryview(b"defghij")], 4)) == b"abcdefghij"
    assert [len(p) for p in pieces([b"abc", memoryview(b"defghij")], 4)] == [3, 4, 3]


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        (None, b"0123456789"),
        (Fault("flip", 4, bit=0), b"0123556789"),
        (Fault("stall", 4, stall_ns=99), b"0123456789"),
        (Fault("cut", 4), b"0123"),
        (Fault("cut", 0), b""),
    ],
)
def test_a_fault_happens_at_its_octet(fault: Fault | None, arrives: bytes) -> None:
    time, sink = VirtualTime(), io.BytesIO()
    near, _ = pair(time)
    faulty: Link = Faulty(Captured(near, sink), time, fault)

    async def send() -> None:
        await faulty.send([b"012", b"34"])
        await faulty.send([b"56789"])

    task = time.spawn("send", send())
    time.run(task)
    assert sink.getvalue() == arrives
    assert (task.error is not None) == (fault is not None and fault.kind == "cut")
    assert time.now_ns() == (99 if fault and fault.kind == "stall" else 0)
