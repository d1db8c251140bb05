"""Forgetting a node: refused as long as anything depends on it, and then it is gone from everywhere."""

import asyncio
from pathlib import Path

import pytest

from controller.cli import main
from controller.errors import NotFound, Refused
from tests.support.served_cluster import served_cluster
from tests.support.twin_cluster import TwinCluster, twin_cluster


def names(cluster: TwinCluster) -> list[str]:
    return [node.name for node in cluster.cluster.nodes()]


async def test_a_node_that_is_ready_or_owns_a_vm_is_not_forgotten(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        with pytest.raises(Refused, match="n1 is ready; end its process first"):
            await c.cluster.forget_node("n1")
        await c.create("a", "n1")
        await c.leave(c.world.hosts["twin-n1:1"])
        with pytest.raises(Refused, match=r"owns a; .*limosa destroy a"):
            await c.cluster.forget_node("n1")
        assert names(c) == ["n1", "n2"]
        await c.cluster.vms.destroy("a")
        await c.cluster.forget_node("n1")
        assert names(c) == ["n2"]
        with pytest.raises(NotFound, match="no node named 'n1'"):
            await c.cluster.forget_node("n1")
        last = c.cluster.journal.records(0)[-1]
        assert (last.kind, last.node) == ("node.forgotten", "n1")


async def test_a_node_that_a_migration_still_has_to_tell_is_not_forgotten(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        gate = c.world.hosts["twin-n1:1"].gates["release_outgoing"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        await c.until(lambda: c.cluster.migrations.job(job.id).migration.phase == "releasing")
        await c.leave(c.world.hosts["twin-n1:1"])
        with pytest.raises(Refused, match=f"job {job.id} still has to hear of node n1"):
            await c.cluster.forget_node("n1")
        gate.set()
        await c.ended(job.id)
        await c.cluster.forget_node("n1")
        assert names(c) == ["n2"]


async def test_a_forgotten_node_stays_forgotten_after_a_restart_and_may_come_back_as_new(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        host = c.world.hosts["twin-n2:1"]
        await c.leave(host)
        await c.cluster.forget_node("n2")
        assert [row.name for row in c.cluster.journal.nodes()] == ["n1"]
        await c.join(host)
        assert names(c) == ["n1", "n2"]
        await c.create("a", "n2")


async def test_the_end_of_an_old_join_does_not_end_the_new_one_of_a_forgotten_node(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        inventory = c.cluster.inventory
        old = inventory.node("n2").incarnation
        await c.leave(c.world.hosts["twin-n2:1"])
        await c.cluster.forget_node("n2")
        assert not inventory.leave("n2", old)
        await c.join(c.world.hosts["twin-n2:1"])
        assert not inventory.leave("n2", old)
        assert [node.row.name for node in inventory.ready()] == ["n1", "n2"]


def test_nodes_lists_and_nodes_forget_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served_cluster(tmp_path) as served:
        monkeypatch.setenv("LIMOSA_CONTROLLER", served.address)
        assert main.run(["nodes", "forget", "n2"]) == 4
        assert main.run(["nodes", "forget", "n9"]) == 3
        assert "n2 is ready" in capsys.readouterr().err
        served.do(lambda: served.twin.leave(served.host("n2")))
        assert main.run(["nodes", "forget", "n2"]) == 0
        capsys.readouterr()
        assert main.run(["nodes", "-q"]) == 0
        assert capsys.readouterr().out == "n1\n"
        served.do(lambda: served.twin.join(served.host("n2")))
