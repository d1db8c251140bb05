"""`limosa demo`, which is what `make demo` runs: both reports, the guest's verdict, and nothing left of it."""

import os
import re
import subprocess
from pathlib import Path

import psutil
import pytest

from controller.cli.state import StateDir
from tests.support import native_cache
from tests.support.debian import debian_image
from tests.support.node_process import ROOT
from tests.support.real_cluster import COMPILED_S, RealCluster

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(900)]


def demo(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it in a world of its own; afterwards there is no process and no file of it."""
    cluster = RealCluster(StateDir(tmp_path / "state"), tmp_path, native=True)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        cluster.command("demo", *options),
        env=cluster.environment() | {"TMPDIR": str(temporary)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=COMPILED_S,
    )
    print(done.stderr, done.stdout)
    assert list(temporary.iterdir()) == []
    assert [p.pid for p in psutil.process_iter() if p.pid != os.getpid() and _belongs(p, str(temporary))] == []
    return done


def _belongs(process: psutil.Process, directory: str) -> bool:
    try:
        return any(directory in word for word in [*process.cmdline(), *process.environ().values()])
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def reports(out: str) -> dict[str, list[str]]:
    """The lines of the two reports side by side: name → the two figures."""
    return {m[1]: m[2].split() for m in re.finditer(r"^ *([a-z ]+?)  +(\S.*)$", out, re.MULTILINE)}


def assert_both_reports(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0
    assert re.search(r"^ +pre-copy +stop-and-copy$", done.stdout, re.MULTILINE)
    figures = reports(done.stdout)
    for name in ("rounds", "pages", "sent", "total", "downtime", "stop", "state", "transfer", "verify", "resume"):
        assert len(figures[name]) >= 2, name
    assert int(figures["rounds"][0]) >= 3 and figures["rounds"][1] == "1"
    assert done.stderr.count(": succeeded, downtime") == 2
    assert "nothing of it is left" in done.stderr


def test_the_demonstration_shows_both_ways_and_leaves_nothing(tmp_path: Path) -> None:
    native_cache.share_with(tmp_path / "state")
    done = demo(tmp_path)
    assert_both_reports(done)
    assert "0 errors" in done.stdout and "without gap or repetition" in done.stdout


def test_the_demonstration_moves_a_stock_linux_too(tmp_path: Path) -> None:
    native_cache.share_with(tmp_path / "state")
    debian_image(tmp_path / "state")
    done = demo(tmp_path, "--image", "debian-12")
    assert done.returncode == 0
    assert "loop in the guest's shell" in done.stdout and "without gap or repetition" in done.stdout
    assert done.stderr.count(": succeeded, downtime") == 2


def test_a_demonstration_of_no_image_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    native_cache.share_with(tmp_path / "state")
    done = demo(tmp_path, "--image", "no-such-image")
    assert done.returncode == 3
    assert "no-such-image" in done.stderr and "Traceback" not in done.stderr
