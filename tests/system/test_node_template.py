"""What a node says when its template process cannot make domains."""

from pathlib import Path

import grpc
import pytest

from protos import node_pb2
from tests.support.node_process import eventually, node

pytestmark = pytest.mark.system

BROKEN = "tests.support.broken_machineries"


async def test_template_that_dies_at_its_start_is_reported_instead_of_waited_for(tmp_path: Path) -> None:
    async with node("n1", tmp_path, machinery=f"{BROKEN}:DIES_WARMING") as n1:
        code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=n1.spec("a", "tick=1")))
        assert code == grpc.StatusCode.UNAVAILABLE
        assert "died" in why and "log" in why
        assert "the interpreter does not compile" in n1.log()
        assert await n1.states() == {}


async def test_template_with_a_second_thread_refuses_to_fork(tmp_path: Path) -> None:
    async with node("n1", tmp_path, machinery=f"{BROKEN}:STARTS_THREADS") as n1:
        code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=n1.spec("a", "tick=1")))
        assert code == grpc.StatusCode.INTERNAL
        assert "has 2 threads" in why
        assert await n1.states() == {}


async def test_unknown_machinery_is_named_in_the_log(tmp_path: Path) -> None:
    async with node("n1", tmp_path, machinery="no.such.module:NAME") as n1:
        await eventually(lambda: "No module named 'no'" in n1.log(), explain=n1.log)
