"""Two node processes with twin machines; the test is the controller that moves a VM between them, or fails to."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import psutil
import pytest
import pytest_asyncio

from protos import common_pb2
from tests.support.migrating import Controller
from tests.support.node_process import NodeProcess, eventually, node

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

PROGRAM = "tick=50 dirty=5 pages=32"
RUNNING, PAUSED = common_pb2.VM_STATE_RUNNING, common_pb2.VM_STATE_PAUSED
CRASHED, STOPPED = common_pb2.VM_STATE_CRASHED, common_pb2.VM_STATE_STOPPED
INCOMING = common_pb2.VM_STATE_INCOMING
REFUSED = grpc.StatusCode.FAILED_PRECONDITION

Pair = tuple[NodeProcess, NodeProcess]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    path = tmp_path_factory.mktemp("pair")
    async with node("n1", path) as n1, node("n2", path) as n2:
        yield n1, n2


@pytest_asyncio.fixture(loop_scope="module")
async def pair(nodes: Pair) -> AsyncIterator[Pair]:
    """Two nodes that other tests have used; what this one leaves can be ended, and then nothing of it is left."""
    yield nodes
    for each in nodes:
        await each.emptied()


async def test_vm_moves_to_and_fro_and_its_console_goes_on_without_gap(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    _, text = await n1.read_console("a", "tick 40\n")
    for source, target in [(n1, n2), (n2, n1), (n1, n2)]:
        controller = Controller(source, target)
        ready = (await controller.migrate(await controller.prepare())).ready_to_commit
        assert (await source.states(), await target.states()) == ({"a": PAUSED}, {"a": INCOMING})
        assert sum(part.duration_ns for part in ready.parts) == ready.paused_for_ns
        assert len(ready.digest) >= 32 and ready.pages_normal + ready.pages_zero >= 512
        assert (await controller.commit()).resume_ns > 0
        assert (await source.states(), await target.states()) == ({}, {"a": RUNNING})
        offset, more = await target.read_console("a", f"tick {text.count('tick') + 200}\n", from_offset=len(text))
        assert offset == len(text)
        text += more
    numbers = [int(line.split()[1]) for line in text.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [len(n.children()) for n in pair] == [1, 2]


async def test_every_call_may_be_repeated(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(n1, n2)
    prepared = await controller.prepare()
    assert await controller.prepare() == prepared
    first, second = await asyncio.gather(controller.migrate(prepared), controller.migrate(prepared))
    assert first == second and first.WhichOneof("event") == "ready_to_commit"
    assert await controller.migrate(prepared) == first
    activated = await controller.tell(n2, "ActivateIncoming")
    assert await controller.tell(n2, "ActivateIncoming") == activated
    for _ in range(2):
        await controller.tell(n1, "ReleaseOutgoing")
    assert await controller.refusal(n1, "CancelMigration") == REFUSED
    assert await controller.refusal(n2, "AbortIncoming") == REFUSED
    assert (await n1.states(), await n2.states()) == ({}, {"a": RUNNING})


async def test_verdict_on_an_unknown_migration_is_nothing_to_do(pair: Pair) -> None:
    n1, _ = pair
    controller = Controller(*pair, migration_id="never-heard-of")
    assert await controller.refusal(n1, "ActivateIncoming") == grpc.StatusCode.NOT_FOUND
    for verb in ("CancelMigration", "AbortIncoming", "ReleaseOutgoing"):
        await controller.tell(n1, verb)


async def test_preparation_after_its_abort_is_refused(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    await controller.tell(n2, "AbortIncoming")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await controller.prepare()
    assert refused.value.code() == REFUSED
    assert await n2.states() == {}


async def test_wrong_token_lets_nobody_in_and_the_right_one_is_still_welcome(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    prepared = await controller.prepare()
    failed = (await controller.migrate(prepared, token="0" * 32)).failed
    assert failed.kind == "link-lost"
    await n1.in_state("a", RUNNING)
    with socket.create_connection((prepared.host, prepared.port), timeout=5) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n".ljust(40))
        assert stranger.recv(100) == b""
    rightful = Controller(*pair, migration_id=controller.migration_id)
    spoken = rightful.request(prepared)
    spoken.migration_id += "-second-attempt"  # the target expects the first: refused, though the token is right
    async for event in n1.stub.MigrateOut(spoken, timeout=20):
        rightful.events.append(event)
    assert rightful.events[-1].failed.kind == "target-refused"
    await controller.tell(n2, "AbortIncoming")
    await controller.runs_at_the_source_and_nothing_is_left_of_it()
    await controller.moves_after_all()


async def test_nobody_listening_fails_and_the_vm_runs_on(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    prepared = await controller.prepare()
    await controller.tell(n2, "AbortIncoming")
    failed = (await controller.migrate(prepared)).failed
    assert failed.kind == "link-lost" and str(prepared.port) in failed.error
    await controller.runs_at_the_source_and_nothing_is_left_of_it()
    await controller.moves_after_all()


async def test_target_that_dies_while_it_receives_leaves_the_vm_at_the_source(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    migrating = asyncio.create_task(controller.migrate(await controller.prepare(), slowly=True))
    await controller.until("progress")
    os.kill((await n2.vm("GetVm", "a")).pid, 9)
    assert (await migrating).failed.kind == "link-lost"
    await controller.runs_at_the_source_and_nothing_is_left_of_it()
    assert await controller.refusal(n2, "ActivateIncoming") == REFUSED
    await controller.moves_after_all()


async def test_target_that_dies_before_the_commit_is_survived_by_cancelling(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    await controller.migrate(await controller.prepare())
    os.kill((await n2.vm("GetVm", "a")).pid, 9)
    async with asyncio.timeout(10):
        while await n2.states():
            await asyncio.sleep(0.02)
    assert await controller.refusal(n2, "ActivateIncoming") == REFUSED
    assert await n1.states() == {"a": PAUSED}, "only the verdict wakes the source"
    await controller.tell(n1, "CancelMigration")
    await controller.runs_at_the_source_and_nothing_is_left_of_it()
    await controller.moves_after_all()


async def test_target_node_that_dies_leaves_the_vm_at_the_source(tmp_path: Path) -> None:
    async with node("n1", tmp_path) as n1, node("n2", tmp_path) as n2:
        await n1.create("a", PROGRAM)
        controller = Controller(n1, n2)
        migrating = asyncio.create_task(controller.migrate(await controller.prepare(), slowly=True))
        await controller.until("progress")
        domain = psutil.Process((await n2.vm("GetVm", "a")).pid)
        n2.kill()
        assert (await migrating).failed.kind == "link-lost"
        info = await n1.in_state("a", RUNNING)
        await n1.read_console("a", f"tick {info.instructions // 50 + 20}\n")
        await eventually(lambda: not domain.is_running() or domain.status() == psutil.STATUS_ZOMBIE)


async def test_source_domain_that_dies_takes_the_vm_but_not_the_target_with_it(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    migrating = asyncio.create_task(controller.migrate(await controller.prepare(), slowly=True))
    await controller.until("progress")
    os.kill((await n1.vm("GetVm", "a")).pid, 9)
    failed = (await migrating).failed
    assert "killed by SIGKILL" in failed.error
    assert (await n1.in_state("a", CRASHED)).pid == 0
    async with asyncio.timeout(10):
        while await n2.states():
            await asyncio.sleep(0.02)
    assert (await n1.vm("StartVm", "a")).state == RUNNING
    await controller.runs_at_the_source_and_nothing_is_left_of_it()
    await controller.moves_after_all()


async def test_source_that_dies_between_ready_and_commit_does_not_hinder_the_commit(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    await controller.migrate(await controller.prepare())
    os.kill((await n1.vm("GetVm", "a")).pid, 9)
    await n1.in_state("a", CRASHED)
    assert (await n1.refused("StartVm", "a"))[0] == REFUSED, "booted afresh here, it would run twice after a commit"
    await controller.commit()
    assert (await n1.states(), await n2.states()) == ({}, {"a": RUNNING})
    await n2.read_console("a", "tick 100\n", from_offset=0)


async def test_source_that_died_before_a_negative_verdict_may_boot_afresh_after_it(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    await controller.migrate(await controller.prepare())
    os.kill((await n1.vm("GetVm", "a")).pid, 9)
    await n1.in_state("a", CRASHED)
    await controller.tell(n1, "CancelMigration")
    await controller.tell(n2, "AbortIncoming")
    assert (await n1.states(), await n2.states()) == ({"a": CRASHED}, {})
    assert (await n1.vm("StartVm", "a")).state == RUNNING
    await controller.moves_after_all()


@pytest.mark.parametrize("phase", ["connecting", "copying", "ready"])
async def test_cancel_in_each_phase_leaves_the_vm_running_at_the_source(pair: Pair, phase: str) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    prepared = await controller.prepare()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        changes = {"port": silent.getsockname()[1]} if phase == "connecting" else {}
        migrating = asyncio.create_task(controller.migrate(prepared, slowly=phase == "copying", **changes))
        await controller.until({"connecting": "phase", "copying": "progress", "ready": "ready_to_commit"}[phase])
        await controller.tell(n1, "CancelMigration")
        last = await migrating
    if phase == "ready":
        assert last.WhichOneof("event") == "ready_to_commit", "it was the last event, and stays so"
    else:
        assert last.failed.kind == "cancelled"
    assert (await n1.vm("GetVm", "a")).state == RUNNING, "the answer to a cancel comes when the guest runs"
    assert await controller.refusal(n1, "ReleaseOutgoing") == REFUSED
    await controller.tell(n1, "CancelMigration")
    await controller.tell(n2, "AbortIncoming")
    await controller.runs_at_the_source_and_nothing_is_left_of_it()
    await controller.moves_after_all()


async def test_source_waits_for_the_verdict_whatever_else_is_asked_of_it(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    await controller.migrate(await controller.prepare())
    instructions = (await n1.vm("GetVm", "a")).instructions
    for method in ("ResumeVm", "PauseVm", "StartVm", "StopVm", "DestroyVm"):
        code, why = await n1.refused(method, "a")
        assert code == REFUSED and "waiting for the verdict" in why
    for method in ("StartVm", "ResumeVm", "PauseVm", "StopVm"):
        assert (await n2.refused(method, "a"))[0] == REFUSED
    assert (await n1.vm("GetVm", "a")).instructions == instructions
    await controller.commit()


async def test_second_migration_of_a_vm_is_refused_and_the_first_goes_on(pair: Pair) -> None:
    n1, _ = pair
    await n1.create("a", PROGRAM)
    first = Controller(*pair)
    prepared = await first.prepare()
    migrating = asyncio.create_task(first.migrate(prepared, slowly=True))
    await first.until("progress")
    second = Controller(*pair)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await second.migrate(prepared)
    assert refused.value.code() == REFUSED and "is migrating" in (refused.value.details() or "")
    assert (await n1.refused("PauseVm", "a"))[0] == REFUSED
    await first.tell(n1, "CancelMigration")
    assert (await migrating).failed.kind == "cancelled"


async def test_destroying_a_migrating_vm_cancels_its_migration_first(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM)
    controller = Controller(*pair)
    migrating = asyncio.create_task(controller.migrate(await controller.prepare(), slowly=True))
    await controller.until("progress")
    await n1.vm("DestroyVm", "a")
    assert (await migrating).failed.kind == "cancelled"
    assert await n1.states() == {}
    async with asyncio.timeout(10):
        while await n2.states():
            await asyncio.sleep(0.02)
    assert [len(n.children()) for n in pair] == [1, 1]


async def test_guest_that_powers_off_while_it_is_moved_is_stopped_at_the_source(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", "tick=50 dirty=5 pages=200 rate=10 off=20000")
    await n1.read_console("a", "tick 40\n")
    controller = Controller(*pair)
    migrating = asyncio.create_task(controller.migrate(await controller.prepare(), slowly=True))
    failed = (await migrating).failed
    assert failed.kind == "guest-stopped" and "powered off" in failed.error
    assert (await n1.in_state("a", STOPPED)).reason == "powered off"
    async with asyncio.timeout(10):
        while await n2.states():
            await asyncio.sleep(0.02)


async def test_only_a_running_vm_is_moved_and_only_by_a_known_algorithm(pair: Pair) -> None:
    n1, n2 = pair
    await n1.create("a", PROGRAM, start=False)
    controller = Controller(*pair)
    request = controller.request(await controller.prepare())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await controller.migrate(request)
    assert refused.value.code() == REFUSED
    await n1.vm("StartVm", "a")
    request.options.algorithm = "teleport"
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        async for _ in n1.stub.MigrateOut(request, timeout=20):
            pass
    assert unknown.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "teleport" in (unknown.value.details() or "")
    await controller.tell(n2, "AbortIncoming")
    await controller.runs_at_the_source_and_nothing_is_left_of_it()
    await controller.moves_after_all()


async def test_target_without_room_refuses_before_anything_moves(tmp_path: Path) -> None:
    async with node("n1", tmp_path) as n1, node("n2", tmp_path, "--memory", "1M") as n2:
        await n1.create("a", PROGRAM)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await Controller(n1, n2).prepare()
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await n1.vm("GetVm", "a")).state == RUNNING
