"""How a real node and a real controller take to each other, or do not."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos import controller_pb2, controller_pb2_grpc, node_pb2
from service import keepalive
from service.token import KEY
from tests.support.membership import membership_on
from tests.support.migrating import Controller
from tests.support.node_process import ROOT, TWINS, NodeProcess, eventually, free_port, node
from tests.support.relay import Relay

pytestmark = pytest.mark.system

BOUND_S = 30.0
VANISHED_S = 2 * keepalive.BOUND_S  # twice what is promised, on a machine that has other things to do
TOKEN = "the-token"


@contextlib.contextmanager
def controller(state: Path, port: int, token: str = TOKEN) -> Iterator[str]:
    """A real controller at that port; its token file is `controller.token`."""
    state.mkdir(exist_ok=True)
    (state / "controller.token").write_text(f"{token}\n")
    address_file = state / "controller.address"
    address_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "controller", "--state", str(state), "--listen", f"127.0.0.1:{port}"]
    command += ["--storage", "127.0.0.1:1", "--token-file", str(state / "controller.token")]
    with (state / "controller.log").open("ab") as log:
        process = subprocess.Popen([*command, "--address-file", str(address_file)], cwd=ROOT, stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(BOUND_S)


async def state_of(address: str, name: str) -> tuple[str, str]:
    """The controller's word on a node: ready, gone or unknown; and where it is."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = controller_pb2_grpc.ControllerServiceStub(channel)  # type: ignore[no-untyped-call]
        nodes = (await stub.ListNodes(controller_pb2.ListNodesRequest(), timeout=BOUND_S, wait_for_ready=True)).nodes
    return next(((n.state, n.address) for n in nodes if n.name == name), ("unknown", ""))


async def until_state(address: str, name: str, state: str, within_s: float = BOUND_S) -> None:
    async with asyncio.timeout(within_s):
        while (await state_of(address, name))[0] != state:
            await asyncio.sleep(0.05)


def token_file(state: Path, token: str = TOKEN) -> Path:
    file = state / f"{token}.token"
    file.write_text(f"{token}\n")
    return file


def ends(state: Path, name: str, *arguments: str) -> tuple[int, str]:
    """Exit status and messages of a node that must not stay."""
    command = [sys.executable, "-m", "node", "--name", name, "--state", str(state), "--machinery", TWINS, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BOUND_S, check=False)
    return ended.returncode, ended.stderr


async def test_newcomer_is_turned_away_for_its_token_or_its_name_and_ends(tmp_path: Path) -> None:
    with controller(tmp_path, free_port()) as address:
        right, wrong = (("--controller", address, "--token-file", str(token_file(tmp_path, t))) for t in (TOKEN, "bad"))
        async with node("n1", tmp_path, *right) as n1:
            await until_state(address, "n1", "ready")
            status, messages = await asyncio.to_thread(ends, tmp_path, "n2", *wrong)
            assert status == 77 and "n2 came with a wrong token; give it by --token-file" in messages
            status, messages = await asyncio.to_thread(ends, tmp_path, "n2", "--controller", address)
            assert status == 77 and "without a token" in messages
            status, messages = await asyncio.to_thread(ends, tmp_path, "n1", *right)
            assert status == 78 and f"n1 is in this cluster already and answers at {n1.address}" in messages
            assert await state_of(address, "n1") == ("ready", n1.address)
            assert (await state_of(address, "n2"))[0] == "unknown"


async def test_member_that_is_turned_away_later_keeps_its_vms_and_goes_on_asking(tmp_path: Path) -> None:
    port = free_port()
    cluster = ("--controller", f"127.0.0.1:{port}", "--token-file", str(token_file(tmp_path)))
    with controller(tmp_path, port) as address:
        running = node("n1", tmp_path, *cluster)
        n1 = await running.__aenter__()
        await until_state(address, "n1", "ready")
    try:
        owner = with_token(n1)
        await owner.create("a", "tick=10")
        with controller(tmp_path / "other", port, token="another"):
            await eventually(lambda: "n1 came with a wrong token" in n1.log(), BOUND_S, n1.log)
            vm = await owner.vm("GetVm", "a")
            await owner.read_console("a", f"tick {vm.instructions // 10 + 100}\n")
        with controller(tmp_path, port) as address:
            await until_state(address, "n1", "ready")
    finally:
        await running.__aexit__(None, None, None)


def with_token(n1: NodeProcess) -> NodeProcess:
    """The same node, asked by one who has the token."""
    return NodeProcess(n1.name, n1.state, n1.process, _Authorised(n1.stub), n1.address)


class _Authorised:
    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._stub, method)
        return lambda *arguments, **named: call(*arguments, metadata=((KEY, TOKEN),), **named)


async def test_node_with_a_token_answers_only_those_who_have_it(tmp_path: Path) -> None:
    async with node("n1", tmp_path, "--token-file", str(token_file(tmp_path))) as n1:
        code, why = await n1.refusal("ListVms", node_pb2.ListVmsRequest())
        assert (code, why) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "node n1 answers only those who have its cluster's token",
        )
        assert await with_token(n1).states() == {}


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read"), (b"\n", "holds no token"), (b"two\nlines\n", "holds no token")]
)
def test_token_file_that_holds_none_is_a_sentence(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    status, messages = ends(tmp_path, "n1", "--token-file", str(tmp_path / "token"))
    assert status == 1 and says in messages and len(messages.splitlines()) == 1


def test_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, messages = ends(tmp_path, "n1", "--listen", address)
    assert status == 1 and f"cannot listen on {address}" in messages and len(messages.splitlines()) == 1


async def test_node_is_named_after_its_host(tmp_path: Path) -> None:
    port = free_port()
    async with membership_on(port, storage_address="storage:1") as membership:
        command = [sys.executable, "-m", "node", "--state", str(tmp_path), "--machinery", TWINS]
        process = subprocess.Popen([*command, "--controller", f"127.0.0.1:{port}"], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            _, request = await asyncio.wait_for(membership.joined.get(), BOUND_S)
            assert request.name == socket.gethostname()
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, BOUND_S)


@pytest.mark.parametrize("blow", ["SIGTERM", "SIGKILL"])
async def test_end_of_a_node_is_seen_at_once(tmp_path: Path, blow: str) -> None:
    with controller(tmp_path, free_port()) as address:
        cluster = ("--controller", address, "--token-file", str(token_file(tmp_path)))
        async with node("n1", tmp_path, *cluster) as n1:
            await until_state(address, "n1", "ready")
            n1.killed = True
            n1.process.kill() if blow == "SIGKILL" else n1.process.terminate()
            await until_state(address, "n1", "gone", within_s=10)  # less than the bound for one that vanished
            await asyncio.to_thread(n1.process.wait, BOUND_S)


@pytest.mark.slow
async def test_silent_network_is_noticed_by_both_sides(tmp_path: Path) -> None:
    """As when a host loses its power: no packet says that it is gone."""
    with controller(tmp_path, free_port()) as address:
        async with Relay(address) as relay:
            cluster = ("--controller", relay.address, "--token-file", str(token_file(tmp_path)))
            async with node("n1", tmp_path, *cluster) as n1:
                await until_state(address, "n1", "ready")
                relay.silent = True
                await until_state(address, "n1", "gone", within_s=VANISHED_S)
                await eventually(lambda: "cluster.not_joined" in n1.log(), VANISHED_S, n1.log)
                relay.silent = False
                await until_state(address, "n1", "ready")


def events(node: NodeProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in node.log().splitlines()]


async def until_told(node: NodeProcess, migration: str, steps: list[str]) -> None:
    """A log may be behind what its node has done."""

    def told() -> list[str]:
        lines = [e for e in events(node) if e.get("migration") == migration]
        assert all(e["vm"] == "a" and e["service"] == "node" and e["node"] == node.name for e in lines)
        names = [f"vm.state {e['state']}" if e["event"] == "vm.state" else e["event"] for e in lines]
        return [name for i, name in enumerate(names) if name not in names[:i]]  # rounds and phases: the first

    await eventually(lambda: told() == steps, BOUND_S, lambda: f"{node.name} told of {migration}: {told()}")


async def test_migration_can_be_followed_through_both_logs_by_its_id(tmp_path: Path) -> None:
    form = ("--log-format", "json")
    async with node("n1", tmp_path, *form) as n1, node("n2", tmp_path, *form) as n2:
        await n1.create("a", "tick=50 dirty=5 pages=32")
        failing = Controller(n1, n2, migration_id="m1")
        prepared = await failing.prepare()
        await failing.tell(n2, "AbortIncoming")
        await failing.migrate(prepared)
        cancelled = Controller(n1, n2, migration_id="m2")
        await cancelled.migrate(await cancelled.prepare())
        await cancelled.tell(n1, "CancelMigration")
        await cancelled.tell(n2, "AbortIncoming")
        moved = Controller(n1, n2, migration_id="m3")
        await moved.migrate(await moved.prepare())
        await moved.commit()
        broken = Controller(n2, n1, migration_id="m4")
        await broken.prepare()
        os.kill((await n1.vm("GetVm", "a")).pid, 9)

        running, paused = "vm.state VM_STATE_RUNNING", "vm.state VM_STATE_PAUSED"
        expected, gone = "vm.state VM_STATE_INCOMING", "vm.state VM_STATE_UNSPECIFIED"
        until_ready = ["migration.began", running, "migration.phase", "migration.round", paused, "migration.ready"]
        for place, migration, steps in (
            (n2, "m1", [expected, "migration.prepared", gone, "migration.aborted"]),
            (n1, "m1", ["migration.began", running, "migration.failed"]),
            (n1, "m2", [*until_ready, "migration.cancelled"]),
            (n2, "m2", [expected, "migration.prepared", gone, "migration.aborted"]),
            (n1, "m3", [*until_ready, gone, "migration.released"]),
            (n2, "m3", [expected, "migration.prepared", running, "migration.activated"]),
            (n1, "m4", [expected, "migration.prepared", "domain.died", gone]),
        ):
            await until_told(place, migration, steps)
