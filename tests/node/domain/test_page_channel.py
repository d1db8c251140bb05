"""The page channel over real sockets: migrations, strangers at the door, silence, and that nothing is left open."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, TypeVar

import pytest
import uvloop

from node.domain.page_channel import PREFACE_BYTES, MonotonicClock, PageListener, SocketLink, Threads, connect
from node.migration.commit import Ready, Verdict
from node.migration.errors import Internal, LinkLost
from node.migration.outgoing import Cancel, Plan
from node.migration.pages import PageLanding
from node.migration.report import Report, unbalanced
from node.migration.source import migrate_out
from node.migration.target import Held, migrate_in
from node.migration.twin import TwinMachine, Writes, run_writer

BOUND_S = 30.0  # on every wait of these tests
T = TypeVar("T")


class Commit:
    async def decide(self, ready: Ready) -> Verdict:
        return Verdict.COMMIT


async def bounded(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, BOUND_S)


def open_sockets() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return sorted(name for name in found if name.startswith("socket:"))


@pytest.fixture(autouse=True)
async def no_socket_is_left() -> AsyncIterator[None]:
    before = open_sockets()
    yield
    assert open_sockets() == before


@pytest.fixture
def machines() -> Iterator[tuple[TwinMachine, TwinMachine]]:
    source, target = TwinMachine(8 << 20, running=True), TwinMachine(8 << 20)
    source.fill(5)
    yield source, target
    source.memory.close()
    target.memory.close()


async def migrate(
    machines: tuple[TwinMachine, TwinMachine], plan: Plan, **options: Any
) -> tuple[Report | BaseException, Held | BaseException]:
    source, target = machines
    listener = await PageListener.open("127.0.0.1", "secret")
    clock, threads = MonotonicClock(), Threads()

    async def out() -> Report:
        link = await connect("127.0.0.1", listener.port, "secret")
        return await migrate_out(source, link, plan, clock=clock, workers=threads, authority=Commit(), **options)

    async def into() -> Held:
        return await migrate_in(target, await listener.accept(), "m", clock=clock, workers=threads)

    guest = asyncio.create_task(run_writer(source, Writes(pages=500, per_tick=20), clock, seed=1))
    ended = await bounded(asyncio.gather(out(), into(), return_exceptions=True))
    guest.cancel()
    return ended[0], ended[1]


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
@pytest.mark.parametrize("loop", [asyncio, uvloop])
def test_a_machine_moves_over_tcp(machines: tuple[TwinMachine, TwinMachine], algorithm: str, loop: Any) -> None:
    report, held = loop.run(migrate(machines, Plan("m", algorithm)))
    assert isinstance(report, Report) and isinstance(held, Held)
    assert report.result == "succeeded" and unbalanced(report) == [] and held.digest == report.digest
    assert machines[0].memory.bytes.tobytes() == machines[1].memory.bytes.tobytes()
    assert held.bytes_received == report.bytes_sent


async def test_what_the_target_says_when_it_fails_arrives_though_pages_are_under_way(
    machines: tuple[TwinMachine, TwinMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: PageLanding, first: int, count: int) -> None:
        raise MemoryError("no room for page 0x1")

    monkeypatch.setattr(PageLanding, "zero", broken)
    report, held = await migrate(machines, Plan("m"))
    assert isinstance(report, Report) and isinstance(held, Internal)
    assert (report.kind, report.runs_on) == ("internal", "source")
    assert report.error == "the target says: MemoryError: no room for page 0x1; the VM runs on at the source"
    assert machines[0].running


async def test_a_cancel_is_heeded_in_the_middle_of_a_slow_round(machines: tuple[TwinMachine, TwinMachine]) -> None:
    cancel = Cancel()
    asyncio.get_running_loop().call_later(0.2, cancel.request)
    report, held = await migrate(machines, Plan("m", bandwidth_bytes_per_s=400_000), cancel=cancel)
    assert isinstance(report, Report) and report.result == "cancelled" and report.rounds == ()
    assert "the source says: cancelled by request" in str(held)
    assert machines[0].running and not machines[0].tracking


async def test_a_cancelled_task_takes_the_guest_back_and_lets_go_of_the_link(
    machines: tuple[TwinMachine, TwinMachine],
) -> None:
    near, far = map(SocketLink, socket.socketpair())
    plan = Plan("m", "stop-and-copy", bandwidth_bytes_per_s=400_000)
    clock, threads = MonotonicClock(), Threads()
    into = asyncio.create_task(migrate_in(machines[1], far, "m", clock=clock, workers=threads))
    out = asyncio.create_task(migrate_out(machines[0], near, plan, clock=clock, workers=threads, authority=Commit()))
    async with asyncio.timeout(BOUND_S):
        while machines[0].running:
            await asyncio.sleep(0.01)
    out.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bounded(out)
    assert machines[0].running
    with pytest.raises(Exception, match=r"the peer closed the page channel|interrupted"):
        await bounded(into)


async def test_strangers_are_hung_up_on_and_the_rightful_one_is_heard() -> None:
    listener = await PageListener.open("127.0.0.1", "secret")
    accepting = asyncio.create_task(listener.accept())
    silent = socket.create_connection(("127.0.0.1", listener.port))
    impostor = await connect("127.0.0.1", listener.port, "guess")
    loud = socket.create_connection(("127.0.0.1", listener.port))
    loud.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + b" " * PREFACE_BYTES)
    with pytest.raises(LinkLost):
        await bounded(impostor.receive_into(memoryview(bytearray(1))))
    rightful = await connect("127.0.0.1", listener.port, "secret")
    link = await bounded(accepting)
    await rightful.send([b"hello", memoryview(b" there")])
    said = bytearray(11)
    await bounded(link.receive_into(memoryview(said)))
    assert said == b"hello there"
    for each in (rightful, link, impostor):
        await each.close()
    with pytest.raises(LinkLost, match="no page channel"):
        await connect("127.0.0.1", listener.port, "secret")
    silent.close()
    loud.close()


async def test_a_listener_that_is_given_up_leaves_nothing_open() -> None:
    listener = await PageListener.open("127.0.0.1", "secret")
    accepting = asyncio.create_task(listener.accept())
    caller = socket.create_connection(("127.0.0.1", listener.port))
    await asyncio.sleep(0.05)
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bounded(accepting)
    assert caller.recv(1) == b""
    caller.close()


async def test_a_peer_that_falls_silent_is_a_lost_link() -> None:
    near, far = socket.socketpair()
    link = SocketLink(near, stall_s=0.1)
    with pytest.raises(LinkLost, match="nothing moved on the page channel"):
        await bounded(link.receive_into(memoryview(bytearray(1))))
    with pytest.raises(LinkLost, match="nothing moved on the page channel"):
        await bounded(link.send([bytes(16 << 20)]))
    await link.close()
    far.close()


async def test_readable_sees_octets_and_the_end_but_not_silence() -> None:
    near, far = socket.socketpair()
    link = SocketLink(near)
    assert not link.readable()
    far.send(b"x")
    assert link.readable()
    await link.receive_into(memoryview(bytearray(1)))
    assert not link.readable()
    far.close()
    assert link.readable()
    with pytest.raises(LinkLost, match="closed the page channel"):
        await link.receive_into(memoryview(bytearray(1)))
    with pytest.raises(LinkLost, match="broke while sending"):
        await link.send([b"x"])
    await link.close()


async def test_scattered_buffers_arrive_in_order_however_the_kernel_cuts_them() -> None:
    near, far = map(SocketLink, socket.socketpair())
    data = os.urandom(3_000_000)
    into = bytearray(len(data))
    view = memoryview(into)
    cuts = [0, 1, 2, 2, 500, 5000, *range(9000, len(data), 4096), len(data)]
    sending = asyncio.create_task(near.send([memoryview(data)[i : i + 70_001] for i in range(0, len(data), 70_001)]))
    await bounded(far.receive_into(*[view[a:b] for a, b in pairwise(cuts)]))
    await bounded(sending)
    assert into == data
    await near.close()
    await far.close()
