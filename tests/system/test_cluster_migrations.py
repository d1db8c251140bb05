"""Migrations between real processes, seen from the command line: what is printed, and the exit status."""

import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO

import pytest

from tests.support.real_cluster import RealCluster

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

SLOW = ("--bandwidth", "20kB/s")
BUSY = ("tick=500", "dirty=1", "pages=200")


def begun(c: RealCluster, command: subprocess.Popen[str]) -> str:
    """Wait until the command tells of its job, which then runs; its id."""
    assert command.stderr is not None and command.stderr.readline()
    (job,) = [job["id"] for job in c.jobs() if job["state"] == "running"]
    return str(job)


def _collect(stream: IO[bytes], output: bytearray) -> None:
    while data := os.read(stream.fileno(), 4096):
        output += data


def test_there_and_back_with_reports_that_add_up(c: RealCluster) -> None:
    c.start("a", "n1", "tick=100", "dirty=50")
    there = c.limosa("migrate", "a", "n2", "-o", "json").json()
    assert (there["state"], there["runs_on"], there["algorithm"]) == ("succeeded", "n2", "pre-copy")
    assert sum(part["duration_ns"] for part in there["downtime_parts"]) == there["downtime_ns"] > 0
    assert there["downtime_ns"] <= there["total_ns"] and there["rounds"]
    back = c.limosa("migrate", "a", "n1", "--algorithm", "stop-and-copy")
    assert "succeeded" in back.out and "downtime" in back.out and "round 1" in back.err
    vm = c.vm("a")
    assert (vm["node"], vm["state"], vm["migrations"]) == ("n1", "running", 2)
    assert [job["state"] for job in c.limosa("jobs", "-o", "json").json()][-2:] == ["succeeded", "succeeded"]


def test_the_console_of_a_command_has_neither_gap_nor_repetition_over_migrations(c: RealCluster) -> None:
    c.start("a", "n1", "tick=500", "echo=1")
    output = bytearray()
    with subprocess.Popen(
        c.command("console", "a"), env=c.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as console:
        assert console.stdin is not None and console.stdout is not None
        reader = threading.Thread(target=_collect, args=(console.stdout, output), daemon=True)
        reader.start()
        try:
            for target in ("n2", "n1", "n2"):
                c.limosa("migrate", "a", target)
                console.stdin.write(f"typed-{target}".encode())
                console.stdin.flush()
            c.until(lambda: output.count(b"typed") == 3)  # what is on its way to a killed controller is lost
            c.kill("controller")
            c.up(2)
            before = c.vm("a")["console_bytes"]
            c.until(lambda: c.vm("a")["console_bytes"] > before + 100)
            c.limosa("stop", "a")
            assert console.wait(timeout=30) == 0
            reader.join(timeout=30)
        finally:
            console.kill()
    ticks = [int(n) for n in re.findall(rb"tick (\d+)", bytes(output))]
    assert ticks == list(range(1, len(ticks) + 1)) and len(ticks) > 20
    assert output.count(b"typed-n2") == 2 and output.count(b"typed-n1") == 1


def test_ctrl_c_cancels_and_the_vm_stays(c: RealCluster) -> None:
    c.start("a", "n1", *BUSY)
    command = subprocess.Popen(
        c.interruptible("migrate", "a", "n2", *SLOW), env=c.environment(), stderr=subprocess.PIPE, text=True
    )
    job = begun(c, command)
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=30)
    assert command.returncode == 6
    assert "it runs on n1" in errors and "cancelling" in errors
    assert c.job(job)["state"] == "cancelled"
    vm = c.vm("a")
    assert (vm["node"], vm["state"], vm["job"]) == ("n1", "running", "")
    assert c.limosa("migrate", "a", "n2", "-o", "name").status == 0


def test_a_detached_job_can_be_cancelled_and_waited_for(c: RealCluster) -> None:
    c.start("a", "n1", *BUSY)
    job = c.limosa("migrate", "a", "n2", "--detach", *SLOW).out.strip()
    assert "being migrated" in c.limosa("pause", "a", status=4).err
    assert "already being migrated" in c.limosa("migrate", "a", "n2", status=4).err
    c.limosa("cancel", job)
    assert c.limosa("job", job, "wait", status=6).out
    assert "already ended" in c.limosa("cancel", job, status=4).err


def test_a_guest_that_is_too_busy_ends_with_status_7(c: RealCluster) -> None:
    c.start("a", "n1", "dirty=1", "pages=1000", "rate=4000")
    ran = c.limosa("migrate", "a", "n2", "--bandwidth", "2MB/s", "--max-downtime", "1ms", status=7)
    assert "more --bandwidth" in ran.err and c.vm("a")["node"] == "n1"


@pytest.mark.parametrize("victim", ["n1", "n2"])
def test_a_node_that_dies_in_the_middle_decides_where_the_vm_is(c: RealCluster, victim: str) -> None:
    c.start("a", "n1", *BUSY)
    job = c.limosa("migrate", "a", "n2", "--detach", *SLOW).out.strip()
    c.until(lambda: c.job(job)["phase"] == "active")
    c.kill(victim)
    ended = c.limosa("job", job, "wait", "-o", "json", status=8 if victim == "n1" else 5).json()
    assert ended["runs_on"] == ("" if victim == "n1" else "n1")
    c.up(2)
    expected = "crashed" if victim == "n1" else "running"
    c.until(lambda: c.vm("a")["state"] == expected)


def test_a_controller_killed_in_the_middle_aborts_and_the_vm_stays(c: RealCluster) -> None:
    c.start("a", "n1", *BUSY)
    waiting = subprocess.Popen(
        c.command("migrate", "a", "n2", *SLOW), env=c.environment(), stderr=subprocess.PIPE, text=True
    )
    job = begun(c, waiting)
    c.kill("controller")
    c.up(2)
    _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 5 and "restarted before the commit" in errors
    assert c.job(job)["runs_on"] == "n1" and c.vm("a")["state"] == "running"
    c.limosa("migrate", "a", "n2")


def test_unknown_names_and_bad_arguments_have_their_exit_statuses(c: RealCluster, tmp_path: Path) -> None:
    c.start("a", "n1", "tick=100")
    bad = tmp_path / "bad"
    bad.write_bytes(b"no kernel at all")
    for status, *arguments in (
        (3, "info", "nobody"),
        (3, "migrate", "nobody", "n2"),
        (3, "migrate", "a", "n9"),
        (3, "job", "m-0"),
        (3, "create", "b", "--image", "no-such-image"),
        (4, "migrate", "a", "n1"),
        (4, "resume", "a"),
        (4, "create", "a"),
        (4, "create", "b", "--memory", "16G"),
        (4, "create", "Not_A_Name!"),
        (2, "create", "b", "--memory", "sixteen"),
        (2, "create", "b", "--kernel", str(bad)),
        (2, "migrate", "a", "n2", "--bandwidth", "fast"),
        (2, "migrate", "a", "n2", "--algorithm", "teleport"),
        (2, "no-such-verb"),
    ):
        ran = c.limosa(*arguments, status=status)
        assert ran.out == "" and ran.err
    assert c.limosa("list", "-q").out.split() == ["a"]
