"""`limosa top` in a real terminal over a real cluster: it lives, bends, waits, ends, and puts everything back."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_cluster import COMMAND_S, ROOT, RealCluster, real_cluster
from tests.support.tmux import Terminal, terminal

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with real_cluster(tmp_path_factory.mktemp("top")) as c:
        c.start("web", "n1", "tick=1000", "dirty=20", "pages=2000", "rate=100")
        yield c


@pytest.fixture
def shown(cluster: RealCluster, tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path, cluster.environment()) as opened:
        opened.until(lambda text: text.startswith("$"))
        yield opened


def begin(shown: Terminal, cluster: RealCluster, *options: str) -> str:
    """Note the terminal's modes, start top, and see its first frame."""
    shown.run("stty -g > before")
    shown.run(f"cd {ROOT}; clear")
    shown.run(shlex.join(cluster.command("top", "-d", "0.2", *options)))
    return shown.until(lambda text: "NODE" in text and "web" in text and "q quit" in text)


def assert_left_as_it_was(shown: Terminal, tmp_path: Path, status: int) -> None:
    """The exit status is the shell's, the screen is the shell's, and the modes are those of before."""
    shown.run(f"echo status=$?; stty -g > {tmp_path}/after")
    text = shown.until(lambda text: f"status={status}" in text)
    assert "q quit" not in text and not shown.alternate(), text
    shown.run("echo sa''ne")
    shown.until(lambda text: "sane" in text)
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()


def test_it_starts_updates_survives_resizes_and_quits_with_q(
    shown: Terminal, cluster: RealCluster, tmp_path: Path
) -> None:
    first = begin(shown, cluster)
    assert shown.alternate() and "2 of 2 nodes ready" in first and "1 of 1 VMs running" in first
    later = shown.until(lambda text: text.splitlines()[0] != first.splitlines()[0])
    assert "MIPS" in later
    shown.until(lambda text: " - MIPS" not in text)
    shown.resize(60, 10)
    small = shown.until(lambda text: len(text.splitlines()) <= 10 and "limosa" in text.splitlines()[0])
    assert all(len(line) <= 60 for line in small.splitlines()), small
    shown.resize(150, 40)
    shown.until(lambda text: "promised" in text.splitlines()[0] and "JOB" in text)
    shown.type("s")
    shown.until(lambda text: "sort by: node" in text)
    shown.type(" ")
    held = shown.until(lambda text: "HELD" in text)
    shown.type("r")
    assert held.splitlines()[0] == shown.until(lambda text: "reversed" in text).splitlines()[0], "time stands still"
    shown.type("q")
    assert_left_as_it_was(shown, tmp_path, 0)


def test_a_migration_is_seen_with_its_rounds_and_a_verdict(shown: Terminal, cluster: RealCluster) -> None:
    begin(shown, cluster)
    source = cluster.vm("web")["node"]
    target = "n2" if source == "n1" else "n1"
    job = cluster.limosa("migrate", "web", target, "--bandwidth", "4Mbit/s", "--detach").out.strip()
    text = shown.until(lambda text: "ALLOWED" in text and " active" in text)
    assert "the first copy of all memory" in text and "1 migrating" in text and job in text
    cluster.limosa("cancel", job)
    shown.until(lambda text: "ALLOWED" not in text and "0 migrating" in text)
    shown.type("q")


@pytest.mark.parametrize(("key", "status"), [("C-c", 130), ("term", 143)])
def test_an_interrupt_and_a_sigterm_leave_the_terminal_as_it_was(
    shown: Terminal, cluster: RealCluster, tmp_path: Path, key: str, status: int
) -> None:
    begin(shown, cluster)
    if key == "term":
        pane = shown.tmux("display-message", "-p", "#{pane_pid}").strip()
        subprocess.run(["pkill", "-TERM", "-P", pane], check=True, timeout=COMMAND_S)
    else:
        shown.press(key)
    assert_left_as_it_was(shown, tmp_path, status)


def test_ctrl_z_gives_the_terminal_back_and_fg_goes_on(shown: Terminal, cluster: RealCluster, tmp_path: Path) -> None:
    begin(shown, cluster)
    shown.press("C-z")
    shown.until(lambda text: "q quit" not in text and "$" in text)
    assert not shown.alternate()
    shown.run("echo at the sh''ell")
    shown.until(lambda text: "at the shell" in text)
    shown.run("fg")
    before = shown.until(lambda text: "q quit" in text)
    shown.until(lambda text: text.splitlines()[0] != before.splitlines()[0])
    shown.type("q")
    assert_left_as_it_was(shown, tmp_path, 0)


def test_a_controller_that_is_gone_is_said_and_waited_for(
    shown: Terminal, cluster: RealCluster, tmp_path: Path
) -> None:
    begin(shown, cluster)
    cluster.kill("controller")
    shown.until(lambda text: "no controller answers" in text and "web" in text)
    shown.type(" ")
    cluster.up(2)
    shown.until(lambda text: "no controller answers" not in text and "HELD" in text)
    shown.type("q")
    assert_left_as_it_was(shown, tmp_path, 0)


def test_after_the_last_look_the_frame_stays_to_be_read(shown: Terminal, cluster: RealCluster) -> None:
    shown.run(f"cd {ROOT}; clear")
    shown.run(shlex.join(cluster.command("top", "-d", "0.2", "-n", "3")))
    shown.until(lambda text: text.rstrip().endswith("$") and "NODE" in text and "web" in text)
    assert not shown.alternate()


def test_without_a_terminal_each_look_is_one_line(cluster: RealCluster) -> None:
    ran = cluster.limosa("top", "-d", "0.2", "-n", "3")
    lines = ran.out.splitlines()
    assert len(lines) == 3 and all("nodes=2/2 vms=1/1 mips=" in line and "mips=-" not in line for line in lines)
    looks = [json.loads(line) for line in cluster.limosa("top", "-d", "0.2", "-n", "2", "-o", "json").out.splitlines()]
    assert len(looks) == 2 and looks[1]["time"] > looks[0]["time"]
    assert looks[0]["vms"][0]["name"] == "web" and looks[0]["vms"][0]["instructions_per_s"] > 0


def test_without_a_terminal_a_controller_that_is_gone_is_said_once_and_waited_for(cluster: RealCluster) -> None:
    command = cluster.command("top", "-d", "0.2", "-n", "12")
    with subprocess.Popen(
        command, env=cluster.environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as top:
        assert top.stdout is not None and top.stderr is not None
        assert "nodes=2/2" in top.stdout.readline()
        cluster.kill("controller")
        assert "no controller answers" in top.stderr.readline()
        cluster.up(2)
        out, err = top.communicate(timeout=COMMAND_S)
    assert top.returncode == 0 and err == "" and len(out.splitlines()) == 11


def test_the_first_look_at_nothing_is_status_69(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "controller.cli.entry", "top", "--controller", "127.0.0.1:1"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=COMMAND_S)
    assert ran.returncode == 69 and "no controller answers" in ran.stderr and ran.stdout == ""
