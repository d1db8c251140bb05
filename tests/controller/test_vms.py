"""The verbs, the states they lead to, and what the controller makes of what nodes report."""

from pathlib import Path

import pytest

from controller.errors import AlreadyExists, Exhausted, InvalidArgument, NodeUnreachable, NotFound, Refused
from controller.placement import Candidate, place
from protos import common_pb2, controller_pb2, node_pb2
from tests.support.twin_cluster import TwinCluster, twin_cluster

CREATED, RUNNING = common_pb2.VM_STATE_CREATED, common_pb2.VM_STATE_RUNNING
PAUSED, STOPPED, CRASHED = common_pb2.VM_STATE_PAUSED, common_pb2.VM_STATE_STOPPED, common_pb2.VM_STATE_CRASHED


def request(name: str, **fields: object) -> controller_pb2.CreateVmRequest:
    return controller_pb2.CreateVmRequest(spec=common_pb2.VmSpec(name=name), **fields)  # type: ignore[arg-type]


def host(c: TwinCluster, name: str):  # type: ignore[no-untyped-def]
    return c.world.hosts[f"twin-{name}:1"]


async def test_a_vm_goes_through_its_life(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        vms = c.cluster.vms
        assert (await vms.create(request("a"))).state == CREATED
        assert (await vms.start("a")).state == RUNNING
        assert (await vms.pause("a")).state == PAUSED
        with pytest.raises(Refused, match="is paused: cannot pause"):
            await vms.pause("a")
        assert (await vms.resume("a")).state == RUNNING
        assert (await vms.stop("a")).state == STOPPED
        assert (await vms.start("a")).state == RUNNING
        await vms.destroy("a")
        assert c.cluster.journal.vms() == []
        with pytest.raises(NotFound, match="limosa list"):
            await vms.get("a")
        kinds = [r.kind for r in c.cluster.journal.records(0) if r.vm == "a"]
        assert kinds[0] == "vm.placing" and kinds[-1] == "vm.destroyed"
        assert [r.sequence for r in c.cluster.journal.records(0)] == list(
            range(1, len(c.cluster.journal.records(0)) + 1)
        )


async def test_creating_twice_is_refused_but_a_repeated_request_is_not(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.cluster.vms.create(request("a", request_id="r1"))
        assert (await c.cluster.vms.create(request("a", request_id="r1"))).spec.name == "a"
        with pytest.raises(AlreadyExists):
            await c.cluster.vms.create(request("a", request_id="r2"))
        assert host(c, "n1").calls.count("create_vm") + host(c, "n2").calls.count("create_vm") == 1


async def test_defaults_and_images_fill_the_definition(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        built_in = await c.cluster.vms.create(request("a", append="dirty rate=1"))
        assert (built_in.image, built_in.spec.memory_bytes) == ("built-in", 64 << 20)
        assert built_in.spec.boot.multiboot.command_line == "dirty rate=1"
        debian = await c.cluster.vms.create(request("b", image="debian-12", append="quiet"))
        assert (debian.image, debian.spec.memory_bytes) == ("debian-12", 128 << 20)
        assert debian.spec.boot.linux.command_line == "console=ttyS0 quiet"
        with pytest.raises(NotFound, match="image"):
            await c.cluster.vms.create(request("c", image="plan9"))
        assert {vm.node for vm in await c.cluster.vms.all()} == {"n1", "n2"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (common_pb2.VmSpec(name="A b"), "no VM name"),
        (common_pb2.VmSpec(name=""), "no VM name"),
        (common_pb2.VmSpec(name="a", memory_bytes=1000), "memory of 1000 bytes"),
        (common_pb2.VmSpec(name="a", memory_bytes=4 << 30), "1 MiB to 3 GiB"),
    ],
)
async def test_bad_definitions_are_refused_before_any_node_hears_of_them(
    tmp_path: Path, spec: common_pb2.VmSpec, words: str
) -> None:
    async with twin_cluster(tmp_path) as c:
        with pytest.raises(InvalidArgument, match=words):
            await c.cluster.vms.create(controller_pb2.CreateVmRequest(spec=spec))
        assert c.cluster.journal.vms() == []


async def test_a_node_that_refuses_to_build_leaves_no_vm(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        host(c, "n1").fail("create_vm", error=InvalidArgument("the kernel is truncated"))
        with pytest.raises(InvalidArgument, match="truncated"):
            await c.cluster.vms.create(request("a", node="n1"))
        assert c.cluster.journal.vms() == []
        await c.create("a", "n1")


async def test_a_guest_that_ends_or_crashes_is_noticed(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        await c.create("b", "n1")
        host(c, "n1").guest_ends("a")
        host(c, "n1").guest_ends("b", crashed=True)
        journal = c.cluster.journal
        await c.until(lambda: (journal.vm("a").state, journal.vm("b").state) == ("stopped", "crashed"))
        assert journal.vm("b").reason == "domain process died"
        assert (await c.cluster.vms.start("b")).state == RUNNING


async def test_a_node_that_comes_back_empty_has_lost_its_vms_and_can_boot_them_afresh(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        await c.leave(host(c, "n1"))
        assert c.cluster.journal.vm("a").state == "unknown"
        with pytest.raises(Refused):
            await c.cluster.vms.pause("a")
        host(c, "n1").crash()
        host(c, "n1").restart()
        await c.join(host(c, "n1"))
        await c.until(lambda: c.cluster.journal.vm("a").state == "crashed")
        assert (await c.cluster.vms.start("a")).state == RUNNING


async def test_a_node_that_comes_back_with_its_vms_still_has_them(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        await c.leave(host(c, "n1"))
        await c.join(host(c, "n1"))
        await c.until(lambda: c.cluster.journal.vm("a").state == "running")


async def test_left_overs_on_nodes_that_do_not_own_the_vm_are_removed(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        await host(c, "n2").prepare_incoming("m-old", common_pb2.VmSpec(name="a"))
        await host(c, "n2").create_vm(node_pb2.CreateVmRequest(spec=common_pb2.VmSpec(name="stranger")))
        await c.until(lambda: not host(c, "n2").copies("a") and not host(c, "n2").copies("stranger"))
        assert c.world.running("a") == ["n1"]
        kinds = [r.kind for r in c.cluster.journal.records(0)]
        assert kinds.count("vm.left-over-removed") == 2


async def test_destroying_a_vm_of_a_node_that_is_gone_works_and_is_made_good_when_it_returns(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n1").fail("destroy_vm")
        with pytest.raises(NodeUnreachable):
            await c.cluster.vms.destroy("a")
        await c.leave(host(c, "n1"))
        host(c, "n1").fail("destroy_vm")
        await c.cluster.vms.destroy("a")
        assert host(c, "n1").copies("a")
        await c.join(host(c, "n1"))
        await c.until(lambda: not host(c, "n1").copies("a"))


async def test_joining_needs_the_token(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        join = controller_pb2.JoinRequest(name="n9", address="h:1")
        with pytest.raises(Exception, match="wrong token; give it by --token-file"):
            await anext(c.cluster.membership.join(join, "guess"))
        assert "n9" not in [n.name for n in c.cluster.nodes()]


async def test_a_vm_goes_to_the_emptiest_node(tmp_path: Path) -> None:
    one = Candidate(name="n1", memory_bytes=100, promised_bytes=60, vms=1)
    two = Candidate(name="n2", memory_bytes=100, promised_bytes=50, vms=3)
    three = Candidate(name="n3", memory_bytes=100, promised_bytes=50, vms=2)
    assert place([one, two, three], memory_bytes=50) == "n3"
    with pytest.raises(Exhausted, match="n3"):
        place([one, two, three], memory_bytes=51)
    with pytest.raises(Refused, match="no node"):
        place([], memory_bytes=1)


async def test_events_can_be_followed_from_any_number(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1", start=False)
        so_far = [r async for r in c.cluster.events.read(after=0, follow=False)]
        following = c.cluster.events.read(after=so_far[-2].sequence, follow=True)
        assert (await anext(following)).sequence == so_far[-1].sequence
        await c.cluster.vms.start("a")
        assert (await c.bounded(anext(following))).kind in ("vm.started", "vm.running")
        await following.aclose()
