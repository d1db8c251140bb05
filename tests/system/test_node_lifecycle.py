"""A node process with twin machines, driven through its gRPC service on loopback."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from protos import common_pb2, node_pb2
from tests.support.node_process import NodeProcess, eventually, node

pytestmark = pytest.mark.system


@pytest_asyncio.fixture
async def n1(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    async with node("n1", tmp_path) as running:
        yield running


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
    assert not (await n1.call("ListVms", node_pb2.ListVmsRequest())).vms
