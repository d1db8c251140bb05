"""What a node says when its template process cannot make domains."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from protos import node_pb2
from tests.support.node_process import ROOT, STARTED_S, node

pytestmark = pytest.mark.system

BROKEN = "tests.support.broken_machineries"


def ended_at_start(machinery: str, state: Path) -> tuple[int, str]:
    """Exit status and messages of a node that cannot make machines."""
    command = [sys.executable, "-m", "node", "--name", "n1", "--state", str(state), "--machinery", machinery]
    command += ["--address-file", str(state / "n1.address")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=STARTED_S)
    assert not (state / "n1.address").exists()
    return ended.returncode, ended.stderr


def test_node_whose_template_dies_at_its_start_ends_and_says_why(tmp_path: Path) -> None:
    status, messages = ended_at_start(f"{BROKEN}:DIES_WARMING", tmp_path)
    assert status == 1
    assert "the interpreter does not compile" in messages
    assert "the template process died 3 times at its start" in messages


async def test_template_with_a_second_thread_refuses_to_fork(tmp_path: Path) -> None:
    async with node("n1", tmp_path, machinery=f"{BROKEN}:STARTS_THREADS") as n1:
        code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=n1.spec("a", "tick=1")))
        assert code == grpc.StatusCode.INTERNAL
        assert "has 2 threads" in why
        assert await n1.states() == {}


def test_unknown_machinery_is_named(tmp_path: Path) -> None:
    status, messages = ended_at_start("no.such.module:NAME", tmp_path)
    assert status == 1 and "No module named 'no'" in messages
