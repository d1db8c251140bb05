"""What a node says when its template process cannot make domains."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from controller.cli.health import trouble
from protos import node_pb2
from tests.support.node_process import ROOT, STARTED_S, free_port, node

pytestmark = pytest.mark.system

BROKEN = "tests.support.broken_machineries"


def ended_at_start(machinery: str, state: Path, form: str = "text") -> tuple[int, str]:
    """Exit status and messages of a node that cannot make machines."""
    command = [sys.executable, "-m", "node", "--name", "n1", "--state", str(state), "--machinery", machinery]
    command += ["--log-format", form]
    command += ["--address-file", str(state / "n1.address")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=STARTED_S)
    assert not (state / "n1.address").exists()
    return ended.returncode, ended.stderr


def test_node_whose_template_dies_at_its_start_ends_and_says_why(tmp_path: Path) -> None:
    status, messages = ended_at_start(f"{BROKEN}:DIES_WARMING", tmp_path)
    assert status == 1
    assert "the interpreter does not compile" in messages
    assert "the template process died 3 times at its start" in messages


def test_what_a_template_prints_is_in_a_log_for_machines_too(tmp_path: Path) -> None:
    _, messages = ended_at_start(f"{BROKEN}:DIES_WARMING", tmp_path, "json")
    lines = [json.loads(line) for line in messages.splitlines()]
    said = [line for line in lines if line["event"] == "machinery.said"]
    assert [line["text"] for line in said] == ["RuntimeError: the interpreter does not compile"] * 3
    assert all("in warm" in line["exception"] and line["node"] == "n1" for line in said)


async def test_template_with_a_second_thread_refuses_to_fork(tmp_path: Path) -> None:
    async with node("n1", tmp_path, machinery=f"{BROKEN}:STARTS_THREADS") as n1:
        code, why = await n1.refusal("CreateVm", node_pb2.CreateVmRequest(spec=n1.spec("a", "tick=1")))
        assert code == grpc.StatusCode.INTERNAL
        assert "has 2 threads" in why
        assert await n1.states() == {}


def test_unknown_machinery_is_named(tmp_path: Path) -> None:
    status, messages = ended_at_start("no.such.module:NAME", tmp_path)
    assert status == 1 and "No module named 'no'" in messages


def test_node_is_healthy_once_it_can_make_machines_and_not_before(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "node", "--name", "n1", "--state", str(tmp_path), "--listen", address]
    with subprocess.Popen([*command, "--machinery", f"{BROKEN}:WARMS_UNTIL_TOLD"], cwd=ROOT) as process:
        try:
            until(lambda: trouble(address, timeout_s=1.0) == f"{address} is not serving: it starts or ends")
            (tmp_path / "go").touch()
            until(lambda: trouble(address, timeout_s=1.0) == "")
        finally:
            process.terminate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STARTED_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
