"""The console follows the VM: every byte once, in order, wherever the guest runs; input reaches the copy that runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from controller.console import drop_repeated
from controller.errors import NotFound
from protos import controller_pb2, node_pb2
from tests.support.twin_cluster import TwinCluster, twin_cluster


class Client:
    """Somebody who attached: what was received, and what to type."""

    def __init__(self, c: TwinCluster, vm: str, from_offset: int = 0) -> None:
        self.received = bytearray()
        self.next_offset = from_offset
        self.closed = ""
        self._keys: asyncio.Queue[bytes] = asyncio.Queue()
        self.task = asyncio.create_task(self._attend(c, vm, from_offset))

    def type(self, data: bytes) -> None:
        self._keys.put_nowait(data)

    async def _inputs(self, vm: str, offset: int) -> AsyncIterator[controller_pb2.ConsoleInput]:
        yield controller_pb2.ConsoleInput(vm=vm, from_offset=offset)
        while True:
            yield controller_pb2.ConsoleInput(data=await self._keys.get())

    async def _attend(self, c: TwinCluster, vm: str, offset: int) -> None:
        async for output in c.cluster.console.attach(self._inputs(vm, offset)):
            if output.data:
                assert output.offset == self.next_offset, "a gap or a repetition"
                self.next_offset += len(output.data)
                self.received += output.data
            self.closed = output.closed


async def test_output_has_neither_gap_nor_repetition_over_twenty_migrations(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        n1, n2 = (c.world.hosts[f"twin-{n}:1"] for n in ("n1", "n2"))
        await c.create("a", "n1")
        client = Client(c, "a")
        for i in range(20):
            here, there = (n1, n2) if i % 2 == 0 else (n2, n1)
            here.run(33)
            job = await c.migrate("a", there.name)
            client.type(f"<{i}>".encode())
            assert (await c.ended(job.id)).state == "succeeded"
            there.run(21)
        copy = n1.vms["a"]
        await c.until(lambda: b"<19>" in copy.typed and len(client.received) == len(copy.console))
        assert client.received == copy.console
        assert copy.typed.decode() == "".join(f"<{i}>" for i in range(20))
        ticks = [line for line in bytes(copy.console).split() if line.isdigit()]
        assert len(ticks) == copy.steps // 10
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)


async def test_input_typed_during_the_hand_over_waits_for_the_copy_that_will_run(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        target = c.world.hosts["twin-n2:1"]
        gate = target.gates["activate_incoming"] = asyncio.Event()
        await c.create("a", "n1")
        client = Client(c, "a")
        await c.until(lambda: "console" in c.world.hosts["twin-n1:1"].calls)
        job = await c.migrate("a", "n2")
        await c.until(lambda: c.cluster.journal.vm("a").node == "n2")
        client.type(b"held")
        for _ in range(50):
            await asyncio.sleep(0)
        assert not c.world.hosts["twin-n1:1"].vms["a"].typed
        gate.set()
        await c.ended(job.id)
        await c.until(lambda: target.vms["a"].typed == b"held")
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)


@pytest.mark.parametrize(("end", "word"), [("stop", "stopped"), ("crash", "crashed"), ("destroy", "destroyed")])
async def test_the_last_message_says_why_the_console_closed(tmp_path: Path, end: str, word: str) -> None:
    async with twin_cluster(tmp_path) as c:
        n1 = c.world.hosts["twin-n1:1"]
        await c.create("a", "n1")
        n1.run(10)
        client = Client(c, "a")
        await c.until(lambda: client.received == b"tick 10\n")
        if end == "destroy":
            await c.cluster.vms.destroy("a")
        else:
            n1.guest_ends("a", crashed=end == "crash")
        await c.bounded(client.task)
        assert client.closed == word


async def test_an_unknown_vm_has_no_console(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        with pytest.raises(NotFound):
            await Client(c, "nobody").task


async def test_the_console_outlives_a_node_that_does_not_answer_for_a_while(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        n1 = c.world.hosts["twin-n1:1"]
        await c.create("a", "n1")
        n1.fail("console", times=2)
        n1.run(10)
        client = Client(c, "a")
        await c.until(lambda: client.received == b"tick 10\n")
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)


@pytest.mark.parametrize("steps", range(16))
async def test_a_client_that_vanishes_while_it_hangs_up_leaves_nothing_running(tmp_path: Path, steps: int) -> None:
    """Its call is cancelled at each step of what the end of its input sets off."""
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        hung_up = asyncio.Event()

        async def inputs() -> AsyncIterator[controller_pb2.ConsoleInput]:
            yield controller_pb2.ConsoleInput(vm="a")
            await hung_up.wait()

        async def attend() -> None:
            async with aclosing(c.cluster.console.attach(inputs())) as outputs:
                async for _ in outputs:
                    pass

        before = asyncio.all_tasks()
        call = asyncio.create_task(attend())
        await asyncio.sleep(0.01)
        hung_up.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled() or call.exception() is None
        await c.until(lambda: asyncio.all_tasks() <= before)


@pytest.mark.parametrize(
    ("offset", "data", "wanted", "expected"),
    [(0, b"abc", 0, (0, b"abc")), (0, b"abc", 2, (2, b"c")), (0, b"abc", 9, (3, b"")), (5, b"abc", 2, (5, b"abc"))],
)
def test_what_was_already_sent_on_is_dropped(
    offset: int, data: bytes, wanted: int, expected: tuple[int, bytes]
) -> None:
    fresh = drop_repeated(node_pb2.ConsoleOutput(offset=offset, data=data), wanted)
    assert (fresh.offset, fresh.data) == expected
