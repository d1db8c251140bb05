"""`up` and `down` with real processes: started, repaired, ended, and never anything left or anybody else's touched."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.real_cluster import real_cluster

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def test_up_starts_everything_and_down_leaves_nothing(tmp_path: Path) -> None:
    with real_cluster(tmp_path) as c:
        status = c.limosa("status", "-o", "json").json()
        assert status["nodes"] == 2 and [p["process"] for p in status["parts"]] == ["alive"] * 4
        assert c.limosa("nodes", "-q").out.split() == ["n1", "n2"]
        c.limosa("healthcheck")
        c.start("a", "n1", "tick=100")
        again = c.up(2)
        assert "up already" in again.err and c.vm("a")["state"] == "running"
        c.up(3)
        assert c.limosa("nodes", "-q").out.split() == ["n1", "n2", "n3"]
    assert (c.state.last_logs / "controller.log").exists()
    assert c.limosa("list", status=69).err.startswith("limosa: no cluster is up")


def test_up_repairs_whatever_was_killed_and_the_other_vms_do_not_notice(tmp_path: Path) -> None:
    with real_cluster(tmp_path) as c:
        c.start("a", "n1", "tick=100")
        c.start("b", "n2", "tick=100")
        for part in ("storage", "controller", "n1"):
            c.kill(part)
        assert c.limosa("list", status=69).out == ""
        assert "dead" in c.limosa("status", status=69).out
        c.up(2)
        c.until(lambda: c.vm("b")["state"] == "running" and c.vm("a")["state"] == "crashed")
        assert "restarted" in c.vm("a")["reason"]
        before = c.vm("b")["console_bytes"]
        c.until(lambda: c.vm("b")["console_bytes"] > before)
        c.limosa("start", "a")
        assert c.vm("a")["state"] == "running"


@pytest.mark.parametrize("damage", ["all-killed", "file-damaged", "file-gone"])
def test_down_cleans_up_after_any_damage(tmp_path: Path, damage: str) -> None:
    with real_cluster(tmp_path) as c:
        c.start("a", "n1", "tick=100")
        assert len(c.processes()) >= 5, "four parts and at least one domain"
        if damage == "all-killed":
            for part in ("n1", "n2", "controller", "storage"):
                c.kill(part)
        elif damage == "file-damaged":
            c.state.file.write_text('{"version": 1, "id": ')
            assert "limosa down" in c.limosa("list", status=1).err
        else:
            c.state.file.unlink()


def test_a_recorded_pid_that_is_now_somebody_elses_is_never_signalled(tmp_path: Path) -> None:
    foreign = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with real_cluster(tmp_path) as c:
            c.kill("n1")
            text = c.state.file.read_text()
            c.state.file.write_text(text.replace(f'"pid": {c.part("n1").pid}', f'"pid": {foreign.pid}'))
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def _bind_when_free(sock: socket.socket, host: str, port: int) -> None:
    """A killed process's port is free once the system has taken the process apart, not at once."""
    deadline = time.monotonic() + 15.0
    while True:
        try:
            return sock.bind((host, port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def test_a_port_that_was_taken_meanwhile_is_named_and_down_still_works(tmp_path: Path) -> None:
    with real_cluster(tmp_path) as c:
        host, _, port = c.part("controller").address.rpartition(":")
        c.kill("controller")
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind_when_free(taken, host, int(port))
            taken.listen()
            failed = c.up(2, status=1)
            assert "controller ended before it was ready" in failed.err and "in use" in failed.err
        c.up(2)
        c.limosa("status")


def test_an_up_that_fails_says_which_part_shows_its_log_and_leaves_nothing(tmp_path: Path) -> None:
    with real_cluster(tmp_path, nodes=0) as c:
        c.state.root.mkdir()
        (c.state.root / "cluster").mkdir()
        (c.state.root / "cluster" / "controller").write_text("in the way of the journal's directory")
        failed = c.up(1, status=1)
        assert "controller ended before it was ready" in failed.err and "controller.failed" in failed.err
        c.assert_nothing_left()


def test_two_ups_at_once_do_not_meet(tmp_path: Path) -> None:
    with real_cluster(tmp_path) as c, c.state.lock():
        assert "at work" in c.up(2, status=4).err
        assert "at work" in c.limosa("down", status=4).err


def test_an_interrupted_up_leaves_nothing(tmp_path: Path) -> None:
    with real_cluster(tmp_path, nodes=0) as c:
        starting = subprocess.Popen(c.interruptible("up", "--nodes", "2"), env=c.environment(), cwd=os.getcwd())
        c.until(lambda: c.state.file.exists() and '"controller"' in c.state.file.read_text())
        starting.send_signal(signal.SIGINT)
        assert starting.wait(timeout=60) == 130
        c.assert_nothing_left()
