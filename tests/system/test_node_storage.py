"""A node that fetches what its VMs boot from a real storage service, whose address the controller tells it."""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from protos import common_pb2, node_pb2
from storage.client import push_blob
from tests.support.membership import membership_on
from tests.support.node_process import ROOT, NodeProcess, eventually, free_port, node

pytestmark = pytest.mark.system

PROGRAM = b"tick=10"


@asynccontextmanager
async def storage(state: Path) -> AsyncIterator[str]:
    """A storage process; its address."""
    address_file = state / "storage.address"
    command = [sys.executable, "-m", "storage", "--state", str(state), "--listen", "127.0.0.1:0"]
    with subprocess.Popen([*command, "--address-file", str(address_file)], cwd=ROOT) as process:
        try:
            await eventually(address_file.exists, 30)
            yield address_file.read_text().strip()
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)


@asynccontextmanager
async def node_of_a_cluster(state: Path, storage_address: str) -> AsyncIterator[NodeProcess]:
    port = free_port()
    async with (
        membership_on(port, storage_address=storage_address) as membership,
        node("n1", state, "--controller", f"127.0.0.1:{port}") as n1,
    ):
        await asyncio.wait_for(membership.joined.get(), 20)
        await eventually(lambda: "cluster.joined" in n1.log(), explain=n1.log)
        yield n1


def spec(name: str, digest: str) -> common_pb2.VmSpec:
    boot = common_pb2.BootSource(linux=common_pb2.LinuxBoot(kernel=common_pb2.BlobRef(digest=digest)))
    return common_pb2.VmSpec(name=name, memory_bytes=2 << 20, vmm="native", clock="real", boot=boot)


async def test_vm_boots_what_the_storage_service_holds_and_a_second_one_needs_no_service(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(PROGRAM)
    async with storage(tmp_path) as address:
        digest = (await push_blob(address, tmp_path / "kernel")).digest
        async with node_of_a_cluster(tmp_path, address) as n1:
            await n1.call("CreateVm", node_pb2.CreateVmRequest(spec=spec("a", digest)))
            await n1.vm("StartVm", "a")
            await n1.read_console("a", "tick 5\n")
            unknown = "sha256:" + hashlib.sha256(b"nobody has this").hexdigest()
            code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=spec("b", unknown)))
            assert code == grpc.StatusCode.FAILED_PRECONDITION and unknown[7:20] in why
            assert set(await n1.states()) == {"a"}
    async with node_of_a_cluster(tmp_path, "127.0.0.1:1") as n1:
        await n1.call("CreateVm", node_pb2.CreateVmRequest(spec=spec("c", digest)))
        await n1.vm("StartVm", "c")
        await n1.read_console("c", "tick 5\n")


async def test_storage_that_does_not_answer_is_named_and_leaves_no_vm(tmp_path: Path) -> None:
    async with node_of_a_cluster(tmp_path, "127.0.0.1:1") as n1:
        digest = f"sha256:{hashlib.sha256(PROGRAM).hexdigest()}"
        code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=spec("a", digest)))
        assert code == grpc.StatusCode.FAILED_PRECONDITION, "the node itself does answer"
        assert "127.0.0.1:1" in why and "run on" in why
        assert await n1.states() == {}
