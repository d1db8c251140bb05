"""One name, one node: who is taken in under a name that is known, and who is not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from controller.errors import AlreadyExists, NodeUnreachable, Unauthenticated
from controller.lifecycle import NodeState
from controller.twin import TwinHost, TwinWorld
from protos import controller_pb2
from tests.support.twin_cluster import TOKEN, TwinCluster, twin_cluster

Notices = AsyncGenerator[controller_pb2.ControllerNotice, None]


def another(world: TwinWorld, name: str, address: str) -> TwinHost:
    """A second host of that name."""
    world.hosts[address] = TwinHost(name, address, world)
    return world.hosts[address]


def join(c: TwinCluster, host: TwinHost, token: str = TOKEN) -> Notices:
    request = controller_pb2.JoinRequest(name=host.name, address=host.address, memory_bytes=host.memory_bytes, cpus=1)
    return c.cluster.membership.join(request, token)


async def joined_at(c: TwinCluster, address: str) -> None:
    await c.until(lambda: [n.row.address for n in c.cluster.inventory.ready()] == [address])


async def test_second_node_of_a_name_is_refused_and_the_first_keeps_its_place(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n1") as c:
        await c.create("a", "n1")
        with pytest.raises(
            AlreadyExists, match=r"n1 is in this cluster already and answers at twin-n1:1; give the one"
        ):
            await anext(join(c, another(c.world, "n1", "twin-other:1")))
        node = c.cluster.inventory.node("n1")
        assert (node.row.address, node.state) == ("twin-n1:1", NodeState.READY)
        assert c.world.running("a") == ["n1"]


async def test_second_node_is_refused_also_while_the_first_looks_for_its_controller(tmp_path: Path) -> None:
    """Its Join stream ended a moment ago, or the controller was restarted: it still has its VMs."""
    async with twin_cluster(tmp_path, "n1") as c:
        await c.leave(c.world.hosts["twin-n1:1"])
        with pytest.raises(AlreadyExists):
            await anext(join(c, another(c.world, "n1", "twin-other:1")))
        await c.join(c.world.hosts["twin-n1:1"])


async def test_newcomer_takes_the_place_of_one_that_does_not_answer(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n1") as c:
        first, newcomer = c.world.hosts["twin-n1:1"], another(c.world, "n1", "twin-other:1")
        first.fail("describe", times=100)
        async with aclosing(join(c, newcomer)) as notices:
            assert (await anext(notices)).cluster_id == "c1"
            await joined_at(c, "twin-other:1")
            told = [record.text for record in c.cluster.journal.records(after=0) if record.kind == "node.replaced"]
            assert told == ["n1 at twin-other:1 takes the place of the one at twin-n1:1, which does not answer"]


async def test_newcomer_does_not_wait_for_ever_for_one_that_hangs(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n1") as c:
        first, newcomer = c.world.hosts["twin-n1:1"], another(c.world, "n1", "twin-other:1")
        first.gates["describe"] = asyncio.Event()
        async with aclosing(join(c, newcomer)) as notices:
            await c.bounded(anext(notices))
            await joined_at(c, "twin-other:1")


async def test_stream_of_the_one_replaced_ends_and_it_is_refused_when_it_comes_back(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n2") as c:
        first, newcomer = c.world.add("n1"), another(c.world, "n1", "twin-other:1")
        async with aclosing(join(c, first)) as replaced, aclosing(join(c, newcomer)) as stays:
            await anext(replaced)
            first.fail("describe", error=NodeUnreachable("n1 does not answer"))
            await anext(stays)
            with pytest.raises(StopAsyncIteration):
                await c.bounded(anext(replaced))
            with pytest.raises(AlreadyExists, match="answers at twin-other:1"):
                await anext(join(c, first))
            assert c.cluster.inventory.node("n1").state is NodeState.READY


async def test_restarted_node_is_taken_in_at_once_from_its_old_address(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n1") as c:
        host = c.world.hosts["twin-n1:1"]
        asked = host.calls.count("describe")
        async with aclosing(join(c, host)) as notices:
            await c.bounded(anext(notices))
            assert c.cluster.inventory.node("n1").state is NodeState.READY
            assert host.calls.count("describe") == asked


async def test_address_that_has_become_another_nodes_does_not_keep_a_name(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n1") as c:
        await c.leave(c.world.hosts["twin-n1:1"])
        c.world.hosts["twin-n1:1"].name = "n9"
        async with aclosing(join(c, another(c.world, "n1", "twin-other:1"))) as notices:
            await c.bounded(anext(notices))
            await joined_at(c, "twin-other:1")


async def test_of_two_newcomers_at_once_the_second_is_refused(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n1") as c:
        c.world.hosts["twin-n1:1"].fail("describe", times=100)
        hosts = [another(c.world, "n1", f"twin-n1-{i}:1") for i in range(2)]
        streams = [join(c, host) for host in hosts]
        results = await c.bounded(asyncio.gather(*(anext(s) for s in streams), return_exceptions=True))
        assert sorted(type(result).__name__ for result in results) == ["AlreadyExists", "ControllerNotice"]
        for stream in streams:
            await stream.aclose()


@pytest.mark.parametrize(("token", "says"), [("guess", "with a wrong token"), ("", "without a token")])
async def test_wrong_token_is_told_how_to_get_the_right_one(tmp_path: Path, token: str, says: str) -> None:
    async with twin_cluster(tmp_path, "n2") as c:
        with pytest.raises(Unauthenticated, match=f"n1 came {says}; give it by --token-file a copy of the file"):
            await anext(join(c, c.world.add("n1"), token))
