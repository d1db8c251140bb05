"""Nodes with real machines: the built-in guest is created, typed at, migrated and crashed. Prints what it measured."""

import asyncio
import os
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from protos import common_pb2, node_pb2
from tests.support import native_cache
from tests.support.migrating import Controller
from tests.support.node_process import NodeProcess, node
from tests.support.promtool import complaints

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

NATIVE = "node.domain.native:MACHINERY"
MEMORY_BYTES = 128 << 20
COUNTED = [
    'limosa_vm_instructions_total{vm="a"}',
    'limosa_vm_guest_seconds_total{vm="a"}',
    'limosa_vm_tlb_misses_total{vm="a"}',
    'limosa_vm_interrupts_total{vm="a"}',
    'limosa_vm_exits_total{reason="io",vm="a"}',
    'limosa_vm_cpu_seconds_total{vm="a"}',
    'limosa_vm_resident_bytes{vm="a"}',
    'limosa_vm_console_bytes_total{vm="a"}',
]
COMPILED_S = 500.0

Pair = tuple[NodeProcess, NodeProcess]


def spec(name: str, command_line: str) -> common_pb2.VmSpec:
    boot = common_pb2.BootSource(multiboot=common_pb2.MultibootBoot(command_line=command_line))
    return common_pb2.VmSpec(name=name, memory_bytes=MEMORY_BYTES, vmm="native", clock="real", boot=boot)


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    native_cache.share_with(tmp_path)
    async with node("n1", tmp_path, machinery=NATIVE) as n1, node("n2", tmp_path, machinery=NATIVE) as n2:
        for each in (n1, n2):
            request = node_pb2.CreateVmRequest(spec=spec("warm", "idle"))
            await each.stub.CreateVm(request, timeout=COMPILED_S)  # waits until the interpreter is compiled
            await each.vm("DestroyVm", "warm")
        yield n1, n2


async def start(node: NodeProcess, name: str, command_line: str) -> Any:
    await node.call("CreateVm", node_pb2.CreateVmRequest(spec=spec(name, command_line)))
    return await node.vm("StartVm", name)


async def test_creating_to_the_first_instruction(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    n1, _ = pair
    taken = []
    for turn in range(5):
        info = await start(n1, f"vm{turn}", "idle")
        taken.append(info.create_to_first_instruction_ns / 1e6)
    with capsys.disabled():
        print(f"\ncreate to first instruction, ms: {', '.join(f'{ms:.1f}' for ms in taken)}")


async def test_guest_moves_to_and_fro_while_it_ticks(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    await start(pair[0], "a", "tick")
    downtimes, totals, text = [], [], ""
    for turn in range(6):
        source, target = pair if turn % 2 == 0 else pair[::-1]
        _, more = await source.read_console("a", f"tick {turn + 1}\r\n", from_offset=len(text))
        text += more
        migration = Controller(source, target, migration_id=f"m{turn}")
        begun = asyncio.get_running_loop().time()
        ready = (await migration.migrate(await migration.prepare())).ready_to_commit
        committed = await migration.commit()
        totals.append((asyncio.get_running_loop().time() - begun) * 1e3)
        downtimes.append((ready.paused_for_ns + committed.resume_ns) / 1e6)
    ticks = [line for line in text.splitlines() if line.startswith("tick ")]
    assert ticks == [f"tick {n}" for n in range(1, len(ticks) + 1)]
    with capsys.disabled():
        print(f"\nidle 128 MiB guest: downtime, ms: {', '.join(f'{ms:.1f}' for ms in downtimes)}", end="")
        print(f", median {statistics.median(downtimes):.1f}; total, ms: {statistics.median(totals):.0f}")


async def test_what_is_typed_reaches_the_guest_wherever_it_runs(pair: Pair) -> None:
    await start(pair[0], "a", "console")
    _, prompt = await pair[0].read_console("a", "> ")  # typed earlier, it would be lost when the guest resets its UART
    _, answer = await pair[0].read_console("a", "line 1: before", from_offset=len(prompt), typed="before\n")
    migration = Controller(*pair)
    await migration.migrate(await migration.prepare())
    await migration.commit()
    await pair[1].read_console("a", "line 2: after", from_offset=len(prompt + answer), typed="after\n")


async def test_real_machine_tells_what_it_counts_while_it_runs(tmp_path: Path) -> None:
    native_cache.share_with(tmp_path)
    metrics = ("--metrics", "127.0.0.1:0", "--metrics-address-file", str(tmp_path / "metrics"))
    async with node("n1", tmp_path, *metrics, machinery=NATIVE) as n1:
        await n1.stub.CreateVm(node_pb2.CreateVmRequest(spec=spec("a", "dirty rate=200 pages=100")), timeout=COMPILED_S)
        await n1.vm("StartVm", "a")
        url = f"http://{(tmp_path / 'metrics').read_text().strip()}/metrics"
        seen: dict[str, float] = {}

        async def scraped() -> str:
            page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=20).read().decode())
            seen.update(_value(line) for line in page.splitlines() if not line.startswith("#"))
            return page

        deadline = asyncio.get_running_loop().time() + 60
        while missing := [counted for counted in COUNTED if not seen.get(counted)]:
            assert asyncio.get_running_loop().time() < deadline, missing
            await asyncio.sleep(0.2)
            page = await scraped()
        assert complaints(page) == ""
        assert seen['limosa_vm_memory_bytes{vm="a"}'] == MEMORY_BYTES


def _value(line: str) -> tuple[str, float]:
    name, _, value = line.rpartition(" ")
    return name, float(value)


async def test_killed_machine_is_reported_and_boots_afresh(pair: Pair) -> None:
    n1, _ = pair
    info = await start(n1, "a", "tick")
    await n1.read_console("a", "tick 1\r\n")
    os.kill(info.pid, 9)
    await n1.in_state("a", common_pb2.VM_STATE_CRASHED)
    await n1.vm("StartVm", "a")
    await n1.read_console("a", "tick 1\r\n")


@pytest.mark.parametrize(
    ("append", "typed", "status"), [("console", b"quit\n", 0), ("exit code=3", b"", 7)], ids=["halt", "exit port"]
)
async def test_foreground_ends_as_the_guest_does(tmp_path: Path, append: str, typed: bytes, status: int) -> None:
    native_cache.share_with(tmp_path)
    command = [sys.executable, "-m", "node.foreground", "--state", str(tmp_path), "--append", append]
    with subprocess.Popen(
        [*command, "--exit-port", "0xf4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=native_cache.ROOT
    ) as guest:
        assert guest.stdin is not None and guest.stdout is not None
        if typed:
            while guest.stdout.read(1) != b">":
                pass
            guest.stdin.write(typed)
            guest.stdin.close()
        assert await asyncio.to_thread(guest.wait, 500) == status
