"""The guest, as our loader places it, on QEMU: real timers, real faults."""

from pathlib import Path

import pytest

from node.boot.multiboot import load_multiboot
from node.guests.builtin import builtin_kernel
from node.memory.ram import GuestMemory
from tests.support.qemu_entry import require_qemu, run_on_qemu

pytestmark = pytest.mark.system


def run(line: str, directory: Path) -> tuple[int | None, str]:
    require_qemu()
    memory = GuestMemory(16 << 20)
    entry = load_multiboot(memory, builtin_kernel(), line, [])
    status, console = run_on_qemu(memory, entry, directory, timeout_s=30)
    return status, console.decode()


def test_the_timer_counts_seconds(tmp_path: Path) -> None:
    status, console = run("tick count=2 exit=2", tmp_path)
    assert status == 2 << 1 | 1
    assert console.split("\r\n")[1:] == ["tick 1", "tick 2", ""]


def test_dirty_runs_without_errors(tmp_path: Path) -> None:
    status, console = run("dirty rate=max pages=max sweep=1 seconds=2 exit=0", tmp_path)
    assert status == 1
    assert "seq=3 pages=3072" in console and "ERROR" not in console


@pytest.mark.parametrize(
    ("address", "error"),
    [(0, "00000002"), (0x5000_0000, "00000002"), (0x10_0000, "00000003")],
    ids=["null", "unmapped", "read-only"],
)
def test_a_fault_is_reported_and_ends_the_guest(address: int, error: str, tmp_path: Path) -> None:
    status, console = run(f"fault address={address} exit=0", tmp_path)
    assert status == (0x7F << 1 | 1)
    assert f"FAULT vector=14 (page fault) error={error}" in console
    assert f"  at address {address:08x}" in console
