"""A node process with twin machines, driven through its gRPC service on loopback."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from protos import common_pb2, node_pb2
from tests.support.membership import membership_on
from tests.support.node_process import NodeProcess, eventually, free_port, kept_open, node

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NodeProcess]:
    async with node("n1", tmp_path_factory.mktemp("n1"), "--memory", "64M") as n1:
        yield n1


@pytest_asyncio.fixture(loop_scope="module")
async def n1(running: NodeProcess) -> AsyncIterator[NodeProcess]:
    """A node that other tests have used; what this one leaves can be ended, and then nothing of it is left."""
    yield running
    await running.emptied()


async def test_vm_lives_from_create_to_destroy(n1: NodeProcess) -> None:
    info = await n1.create("a", "tick=10", start=False)
    assert info.state == common_pb2.VM_STATE_CREATED and info.instructions == 0 and info.pid
    info = await n1.vm("StartVm", "a")
    assert info.state == common_pb2.VM_STATE_RUNNING and info.create_to_first_instruction_ns > 0
    await n1.read_console("a", "tick 20\n")
    info = await n1.vm("PauseVm", "a")
    assert info.state == common_pb2.VM_STATE_PAUSED
    assert (await n1.vm("GetVm", "a")).instructions == info.instructions
    assert (await n1.vm("ResumeVm", "a")).state == common_pb2.VM_STATE_RUNNING
    await n1.read_console("a", f"tick {info.instructions // 10 + 100}\n")
    info = await n1.vm("StopVm", "a")
    assert info.state == common_pb2.VM_STATE_STOPPED and info.pid == 0 and info.instructions > 1000
    await n1.vm("DestroyVm", "a")
    assert await n1.states() == {}


async def test_stopped_vm_boots_afresh(n1: NodeProcess) -> None:
    first = await n1.create("a", "tick=10 off=3000")
    stopped = await n1.in_state("a", common_pb2.VM_STATE_STOPPED)
    assert (stopped.instructions, stopped.reason, stopped.exit_status) == (3000, "powered off", 0)
    again = await n1.vm("StartVm", "a")
    assert again.state == common_pb2.VM_STATE_RUNNING and again.pid not in (0, first.pid)
    stopped = await n1.in_state("a", common_pb2.VM_STATE_STOPPED)
    assert stopped.instructions == 3000
    offset, text = await n1.read_console("a", "stopped")
    assert (offset, text) == (0, "".join(f"tick {n}\n" for n in range(1, 301)))


async def test_exit_port_and_triple_fault_are_told_apart(n1: NodeProcess) -> None:
    await n1.create("exits", "exit=7@500")
    await n1.create("faults", "fault=500")
    assert (await n1.in_state("exits", common_pb2.VM_STATE_STOPPED)).exit_status == 7
    assert (await n1.in_state("faults", common_pb2.VM_STATE_CRASHED)).reason == "triple fault"


async def test_console_follows_takes_input_and_ends_with_the_vm(n1: NodeProcess) -> None:
    await n1.create("a", "echo")
    sending: asyncio.Queue[Any] = asyncio.Queue()

    async def inputs() -> AsyncIterator[Any]:
        while True:
            yield await sending.get()

    sending.put_nowait(node_pb2.ConsoleInput(vm="a", data=b"one"))
    call = n1.stub.Console(inputs(), timeout=20)
    text, closed = b"", ""
    async for output in call:
        assert output.offset == len(text)
        text += output.data
        closed = output.closed
        if output.data == b"<one>\n":
            sending.put_nowait(node_pb2.ConsoleInput(data=b"two"))
        if output.data == b"<two>\n":
            await n1.vm("StopVm", "a")
    assert (text, closed) == (b"<one>\n<two>\n", "stopped")


async def test_input_longer_than_a_message_to_a_domain_arrives_whole(n1: NodeProcess) -> None:
    await n1.create("a", "count")
    first = node_pb2.ConsoleInput(vm="a", data=bytes(range(1, 256)) * 8000)
    async with asyncio.timeout(20):
        async for output in n1.stub.Console(kept_open(first), timeout=20):
            if b"2040000" in output.data:
                break


@pytest.mark.parametrize(
    ("program", "blow", "how"),
    [("tick=10", 9, "killed by SIGKILL"), ("tick=10", 15, "killed by SIGTERM"), ("tick=10 segv=5000", 0, "SIGSEGV")],
)
async def test_death_of_one_domain_is_reported_and_harms_nobody(
    n1: NodeProcess, program: str, blow: int, how: str
) -> None:
    await n1.create("other", "tick=10")
    before = n1.descriptors()
    victim = await n1.create("victim", program)
    await n1.read_console("victim", "tick 10\n")
    if blow:
        os.kill(victim.pid, blow)
    crashed = await n1.in_state("victim", common_pb2.VM_STATE_CRASHED)
    assert how in crashed.reason and crashed.pid == 0
    assert not psutil.pid_exists(victim.pid), "the dead process was not reaped"
    _, text = await n1.read_console("victim", "crashed")
    assert text.startswith("tick 1\n"), "the last words of a crashed VM can be read"
    other = await n1.vm("GetVm", "other")
    assert other.state == common_pb2.VM_STATE_RUNNING
    await n1.read_console("other", f"tick {other.instructions // 10 + 20}\n")
    assert (await n1.vm("StartVm", "victim")).state == common_pb2.VM_STATE_RUNNING
    await n1.vm("DestroyVm", "victim")
    await eventually(lambda: n1.descriptors() <= before, explain=lambda: f"{n1.descriptors()} of {before}")


async def test_death_of_the_template_leaves_the_vms_running_and_new_ones_possible(n1: NodeProcess) -> None:
    old = await n1.create("old", "tick=10")
    template = n1.template_pid()
    os.kill(template, 9)
    await eventually(lambda: not psutil.pid_exists(template))
    new = await n1.create("new", "tick=10")
    assert new.state == common_pb2.VM_STATE_RUNNING
    assert (await n1.vm("GetVm", "old")).instructions > old.instructions
    for vm in (old, new):
        os.kill(vm.pid, 9)
        await n1.in_state(vm.spec.name, common_pb2.VM_STATE_CRASHED)
    await eventually(lambda: [c.pid for c in n1.children()] == [n1.template_pid()])


async def test_killed_agent_takes_its_domains_and_template_along(tmp_path: Path) -> None:
    async with node("n1", tmp_path) as n1:
        await n1.create("a", "tick=10")
        await n1.create("b", "tick=10", start=False)
        await eventually(lambda: len(n1.children()) == 3)  # the process that forked the second is there for a moment
        orphans = n1.children()
        n1.kill()
        await eventually(lambda: not any(_lives(orphan) for orphan in orphans))


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def test_memory_is_refused_beyond_the_nodes_limit_and_given_back(n1: NodeProcess) -> None:
    await n1.create("big", "tick=10", memory_bytes=48 << 20)
    spec = n1.spec("more", "tick=10", memory_bytes=32 << 20)
    code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=spec))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "'more' needs 32 MiB; this node has 16 MiB of 64 MiB left" in why
    await n1.vm("StopVm", "big")
    await n1.create("more", "tick=10", memory_bytes=32 << 20)
    code, _ = await n1.refused("StartVm", "big")
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    await n1.vm("DestroyVm", "more")
    assert (await n1.vm("StartVm", "big")).state == common_pb2.VM_STATE_RUNNING


async def test_each_mistake_has_its_status_and_its_sentence_and_leaves_nothing(n1: NodeProcess) -> None:
    await n1.create("a", "tick=10")
    codes = grpc.StatusCode
    assert await n1.refused("GetVm", "b") == (codes.NOT_FOUND, "no VM 'b' on this node")
    assert await n1.refused("StartVm", "a") == (
        codes.FAILED_PRECONDITION,
        "VM 'a' is running: start is not possible now",
    )
    assert (await n1.refused("ResumeVm", "a"))[0] == codes.FAILED_PRECONDITION
    for spec, code in (
        (n1.spec("a", "tick=1"), codes.ALREADY_EXISTS),
        (n1.spec("b", "bad program"), codes.INVALID_ARGUMENT),
        (n1.spec("b", "tick=1", vmm="kvm"), codes.INVALID_ARGUMENT),
        (n1.spec("b", "tick=1", memory_bytes=12345), codes.INVALID_ARGUMENT),
    ):
        assert (await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=spec)))[0] == code
    missing = n1.spec("b", "tick=1")
    missing.boot.linux.kernel.digest = "sha256:" + "0" * 64
    code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=missing))
    assert code == codes.FAILED_PRECONDITION and "no storage service" in why
    assert set(await n1.states()) == {"a"}
    await eventually(lambda: len(n1.children()) == 2)


async def test_create_is_made_once_for_one_request_id(n1: NodeProcess) -> None:
    request = node_pb2.CreateVmRequest(request_id="r1", spec=n1.spec("a", "tick=10"))
    first, second = await asyncio.gather(n1.call("CreateVm", request), n1.call("CreateVm", request))
    assert first.pid == second.pid != 0
    request.request_id = "r2"
    assert (await n1.refusal("CreateVm", request))[0] == grpc.StatusCode.ALREADY_EXISTS


async def test_watch_tells_the_present_and_then_every_change(n1: NodeProcess) -> None:
    await n1.create("here", "tick=10")
    call = n1.stub.Watch(node_pb2.WatchRequest(), timeout=20)
    seen = [(event.vm, event.state) for event in [await call.read()]]
    await n1.create("a", "off=2000")
    while ("a", common_pb2.VM_STATE_UNSPECIFIED) not in seen:
        event = await call.read()
        seen.append((event.vm, event.state))
        assert event.unix_ns > 0
        if event.state == common_pb2.VM_STATE_STOPPED:
            assert event.reason == "powered off"
            await n1.vm("DestroyVm", "a")
    states = common_pb2
    assert seen == [
        ("here", states.VM_STATE_RUNNING),
        ("a", states.VM_STATE_CREATED),
        ("a", states.VM_STATE_RUNNING),
        ("a", states.VM_STATE_STOPPED),
        ("a", states.VM_STATE_UNSPECIFIED),
    ]
    call.cancel()


async def test_many_vms_leave_no_process_and_no_descriptor_behind(n1: NodeProcess) -> None:
    await n1.create("first", "tick=10")
    await n1.vm("DestroyVm", "first")
    before = n1.descriptors()
    names = [f"vm{n}" for n in range(8)]
    await asyncio.gather(*(n1.create(name, "tick=10") for name in names))
    await eventually(lambda: len(n1.children()) == 9, explain=lambda: f"{n1.children()}")
    await asyncio.gather(*(n1.vm("DestroyVm", name) for name in names))
    assert len(n1.children()) == 1
    await eventually(lambda: n1.descriptors() <= before, explain=lambda: f"{n1.descriptors()} of {before}")


async def test_node_says_what_it_is_and_that_it_serves(n1: NodeProcess) -> None:
    info = await n1.call("Describe", node_pb2.DescribeRequest())
    assert (info.name, info.memory_bytes, list(info.vmm_modes)) == ("n1", 64 << 20, ["native"])
    assert info.stream_version >= 1 and info.cpus >= 1
    async with grpc.aio.insecure_channel(n1.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service="limosa.node.v1.NodeService")
        assert (await health.Check(asked, timeout=10)).status == health_pb2.HealthCheckResponse.SERVING
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in reflection.ServerReflectionInfo(iter([request]), timeout=10):
            assert "limosa.node.v1.NodeService" in {s.name for s in answer.list_services_response.service}


async def test_agent_and_template_keep_to_what_they_may_load(n1: NodeProcess) -> None:
    """The agent never loads numba or LLVM, the template never grpc: each would make a fork slow or unsafe."""
    await n1.create("a", "tick=10")
    assert not re.search(r"llvmlite|numba", Path(f"/proc/{n1.process.pid}/maps").read_text())
    assert not re.search(r"cygrpc", Path(f"/proc/{n1.template_pid()}/maps").read_text())
    assert len(os.listdir(f"/proc/{n1.template_pid()}/task")) == 1


async def test_node_joins_a_controller_that_comes_late_and_again_when_it_was_cut_off(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "token").write_text("secret\n")
    cluster = ("--controller", f"127.0.0.1:{port}", "--token-file", str(tmp_path / "token"))
    async with node("n1", tmp_path, *cluster) as n1:
        await eventually(lambda: "cluster.not_joined" in n1.log(), explain=n1.log)
        async with membership_on(port, storage_address="storage:1") as membership:
            token, request = await asyncio.wait_for(membership.joined.get(), 20)
            assert (token, request.name, request.address) == ("secret", "n1", n1.address)
            membership.cut.set()
            await asyncio.wait_for(membership.joined.get(), 20)
