"""A real `python -m node` on loopback with twin machines, and what a test wants to ask of it."""

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil

from protos import common_pb2, node_pb2, node_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
STARTED_S = 30.0
CALL_S = 20.0
_KEPT: list[socket.socket] = []
TWINS = "tests.support.twin_machine:MACHINERY"


class NodeProcess:
    """One node: its process, its stub, its cache."""

    def __init__(self, name: str, state: Path, process: subprocess.Popen[bytes], stub: Any, address: str) -> None:
        self.name = name
        self.state = state
        self.process = process
        self.stub = stub
        self.address = address
        self.killed = False

    def spec(self, name: str, program: str, *, memory_bytes: int = 2 << 20, vmm: str = "native") -> common_pb2.VmSpec:
        """A VM running that twin program, whose file lies in the node's cache already."""
        kernel = common_pb2.BlobRef(digest=self.cache(program.encode()))
        boot = common_pb2.BootSource(linux=common_pb2.LinuxBoot(kernel=kernel))
        return common_pb2.VmSpec(name=name, memory_bytes=memory_bytes, vmm=vmm, clock="real", boot=boot)

    def cache(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        file = self.blobs / digest
        if not file.exists():
            file.write_bytes(content)
        return f"sha256:{digest}"

    @property
    def blobs(self) -> Path:
        return self.state / "cluster" / "nodes" / self.name / "blobs" / "sha256"

    async def call(self, method: str, request: Any) -> Any:
        return await getattr(self.stub, method)(request, timeout=CALL_S)

    async def vm(self, method: str, name: str) -> Any:
        return await self.call(method, node_pb2.VmRequest(vm=name))

    async def create(self, name: str, program: str, *, start: bool = True, **spec: Any) -> Any:
        request = node_pb2.CreateVmRequest(spec=self.spec(name, program, **spec))
        info = await self.call("CreateVm", request)
        return await self.vm("StartVm", name) if start else info

    async def refusal(self, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
        """Status and sentence of a call that must fail."""
        try:
            answer = await self.call(method, request)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        raise AssertionError(f"{method} should have been refused, and answered {answer}")

    async def refused(self, method: str, vm: str) -> tuple[grpc.StatusCode, str]:
        return await self.refusal(method, node_pb2.VmRequest(vm=vm))

    async def in_state(self, vm: str, state: int) -> Any:
        """Wait until the VM is reported in that state."""
        async with asyncio.timeout(CALL_S):
            while (info := await self.vm("GetVm", vm)).state != state:
                await asyncio.sleep(0.02)
        return info

    async def states(self) -> dict[str, int]:
        return {vm.spec.name: vm.state for vm in (await self.call("ListVms", node_pb2.ListVmsRequest())).vms}

    async def read_console(self, name: str, until: str, from_offset: int = 0, typed: str = "") -> tuple[int, str]:
        """Console output from `from_offset` until it contains `until`; the offset of the first byte and the text."""
        first = node_pb2.ConsoleInput(vm=name, from_offset=from_offset, data=typed.encode())
        call = self.stub.Console(kept_open(first), timeout=CALL_S)
        offset, text = -1, ""
        async for output in call:
            if offset < 0:
                offset = output.offset
            assert output.offset == offset + len(text), "the console has a gap or a repetition"
            text += output.data.decode()
            if until in text or until == output.closed:
                break
        call.cancel()
        return offset, text

    async def emptied(self) -> None:
        """End what runs or arrives here, as a controller that wants nothing more would; there must be nothing left."""
        for vm in (await self.call("ListVms", node_pb2.ListVmsRequest())).vms:
            for verdict in ("CancelMigration", "AbortIncoming") if vm.migration_id else ():
                with contextlib.suppress(grpc.aio.AioRpcError):  # refused to the end that it is not meant for
                    await self.call(verdict, node_pb2.MigrationRequest(migration_id=vm.migration_id))
            with contextlib.suppress(grpc.aio.AioRpcError):  # gone with its migration
                await self.vm("DestroyVm", vm.spec.name)
        assert await self.states() == {}
        await eventually(lambda: len(self.children()) == 1, explain=lambda: f"left: {self.children()}")

    def kill(self) -> None:
        """SIGKILL the agent; the end of `node` expects that."""
        self.killed = True
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.state / f"{self.name}.log").read_text()

    def template_pid(self) -> int:
        """The child that is the template; there is one once the node is ready."""
        (pid,) = [c.pid for c in psutil.Process(self.process.pid).children() if not _is_domain(c)]
        return pid

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def _is_domain(process: psutil.Process) -> bool:
    """Domains are the agent's children as the template is: same command line, another name."""
    return process.name().startswith("vm:")


async def kept_open(*messages: Any) -> AsyncIterator[Any]:
    for message in messages:
        yield message
    await asyncio.Event().wait()


@asynccontextmanager
async def node(name: str, state: Path, *arguments: str, machinery: str = TWINS) -> AsyncIterator[NodeProcess]:
    """A serving node; at the end SIGTERM (unless the test killed it), and everything of it must be gone."""
    address_file = state / f"{name}.address"
    address_file.unlink(missing_ok=True)  # of an earlier node of that name
    with (state / f"{name}.log").open("wb") as log:
        command = [sys.executable, "-m", "node", "--name", name, "--state", str(state), "--machinery", machinery]
        command += ["--address-file", str(address_file), *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        await eventually(address_file.exists, STARTED_S, lambda: (state / f"{name}.log").read_text())
        address = address_file.read_text().strip()
        async with grpc.aio.insecure_channel(address) as channel:
            stub = node_pb2_grpc.NodeServiceStub(channel)  # type: ignore[no-untyped-call]
            running = NodeProcess(name, state, process, stub, address)
            yield running
            descendants = [] if running.killed else running.children()
        if running.killed:
            return
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0, (state / f"{name}.log").read_text()
        assert [child for child in descendants if child.is_running()] == []
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def eventually(
    condition: Callable[[], bool], within_s: float = 10.0, explain: Callable[[], str] = lambda: ""
) -> None:
    """Wait until the condition holds; fail with the explanation when it does not within the bound."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_s} s: {explain()}"
        await asyncio.sleep(0.02)


def listening_ports(process: psutil.Process) -> set[int]:
    return {c.laddr.port for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN}


def free_port() -> int:
    """For a server of this test; the system gives it to nobody else as long as this process lives. A port that is only
    bound can be listened at by whoever sets SO_REUSEADDR, too: gRPC does, and Docker's proxy."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _KEPT.append(kept)
    return int(kept.getsockname()[1])
