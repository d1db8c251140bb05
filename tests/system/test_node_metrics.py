"""The metrics of real node processes with twin machines, read as Prometheus reads them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from protos import common_pb2
from tests.support.membership import membership_on
from tests.support.migrating import Controller
from tests.support.node_process import ROOT, TWINS, NodeProcess, free_port, node
from tests.support.promtool import complaints

pytestmark = pytest.mark.system

BOUND_S = 20.0
Samples = dict[tuple[str, ...], float]


def serving_metrics(state: Path, name: str) -> tuple[str, ...]:
    return ("--metrics", "127.0.0.1:0", "--metrics-address-file", str(state / f"{name}.metrics"))


def page(node: NodeProcess) -> str:
    address = (node.state / f"{node.name}.metrics").read_text().strip()
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=BOUND_S) as answer:
        return str(answer.read().decode())


def samples(node: NodeProcess) -> Samples:
    """By name and label values, in the order of the labels' names."""
    families = text_string_to_metric_families(page(node))
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


async def until_more(node: NodeProcess, *key: str, than: float = 0) -> Samples:
    """The first scrape in which that value has grown."""
    async with asyncio.timeout(BOUND_S):
        while (now := await asyncio.to_thread(samples, node)).get(key, -1.0) <= than:
            await asyncio.sleep(0.05)
    return now


async def test_figures_grow_without_a_question_and_leave_with_the_vm(tmp_path: Path) -> None:
    async with (
        node("n1", tmp_path, *serving_metrics(tmp_path, "n1"), "--memory", "64M") as n1,
        node("n2", tmp_path, *serving_metrics(tmp_path, "n2")) as n2,
    ):
        await n1.create("a", "tick=50 dirty=5 pages=32")
        first = await until_more(n1, "limosa_vm_instructions_total", "a")
        later = await until_more(
            n1, "limosa_vm_instructions_total", "a", than=first["limosa_vm_instructions_total", "a"]
        )
        assert later["limosa_vm_exits_total", "console", "a"] > 0
        assert later["limosa_vm_cpu_seconds_total", "a"] > 0
        assert later["limosa_vm_resident_bytes", "a"] > 0
        assert later["limosa_vm_state", "running", "a"] == 1
        assert later["limosa_vm_start_seconds_count",] == 1
        assert later["limosa_node_memory_reserved_bytes",] == 2 << 20
        assert any(key[:2] == ("limosa_build_info", "node") for key in later)
        handled = ("limosa_grpc_server_handled_total", "OK", "NodeService/StartVm")
        assert later[handled] == 1, "nobody but this test has asked this node for anything"

        controller = Controller(n1, n2)
        await controller.migrate(await controller.prepare())
        found = await until_more(n1, "limosa_vm_dirty_pages_total", "a")
        assert found["limosa_vm_state", "paused", "a"] == 1
        expected = await asyncio.to_thread(samples, n2)
        assert expected["limosa_vm_state", "incoming", "a"] == 1
        assert ("limosa_vm_instructions_total", "a") not in expected
        await controller.commit()
        assert not [key for key in await asyncio.to_thread(samples, n1) if "a" in key[1:]]
        at_target = await until_more(n2, "limosa_vm_instructions_total", "a")
        assert at_target["limosa_vm_instructions_total", "a"] >= later["limosa_vm_instructions_total", "a"]
        for each in (n1, n2):
            assert complaints(await asyncio.to_thread(page, each)) == ""


async def test_deaths_are_counted_and_a_dead_vm_holds_no_memory(tmp_path: Path) -> None:
    async with node("n1", tmp_path, *serving_metrics(tmp_path, "n1")) as n1:
        pid = (await n1.create("a", "tick=10")).pid
        assert (await until_more(n1, "limosa_vm_resident_bytes", "a"))["limosa_vm_resident_bytes", "a"] > 0
        os.kill(pid, signal.SIGKILL)
        await n1.in_state("a", common_pb2.VM_STATE_CRASHED)
        dead = await until_more(n1, "limosa_domain_deaths_total")
        assert dead["limosa_vm_resident_bytes", "a"] == 0
        assert dead["limosa_vm_state", "crashed", "a"] == 1
        os.kill(n1.template_pid(), signal.SIGKILL)
        assert (await until_more(n1, "limosa_template_restarts_total"))["limosa_template_restarts_total",] == 1


async def test_controller_is_told_where_the_metrics_are(tmp_path: Path) -> None:
    port = free_port()
    cluster = ("--controller", f"127.0.0.1:{port}", "--metrics", "0.0.0.0:0", "--metrics-advertise", "127.0.0.9")
    address_file = tmp_path / "metrics"
    async with membership_on(port, storage_address="storage:1") as membership:
        async with node("n1", tmp_path, *cluster, "--metrics-address-file", str(address_file)):
            _, request = await asyncio.wait_for(membership.joined.get(), BOUND_S)
            assert request.metrics_address == address_file.read_text().strip()
            assert request.metrics_address.startswith("127.0.0.9:")
        async with node("n2", tmp_path, "--controller", f"127.0.0.1:{port}"):
            _, request = await asyncio.wait_for(membership.joined.get(), BOUND_S)
            assert request.metrics_address == ""


def test_taken_metrics_port_is_one_sentence_and_nothing_is_begun(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "node", "--name", "n1", "--state", str(tmp_path), "--machinery", TWINS]
        done = subprocess.run(
            [*command, "--metrics", address, "--address-file", str(tmp_path / "address")],
            cwd=ROOT, capture_output=True, text=True, timeout=BOUND_S, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == "" and f"cannot listen on {address} for metrics" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "address").exists()
