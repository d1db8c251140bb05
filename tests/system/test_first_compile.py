"""Whoever has had enough of the first compile: Ctrl+C ends it at once, and nothing of it is left."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.foreground_guest import boot_command
from tests.support.node_process import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def test_ctrl_c_during_the_first_compile_ends_it_quietly(tmp_path: Path) -> None:
    command = boot_command(tmp_path, "--memory", "16M")
    # In a session of its own, whose processes all get the signal, as from a terminal
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT, start_new_session=True, text=True
    ) as boot:
        assert boot.stderr is not None
        said = boot.stderr.readline()
        assert "compiling the interpreter" in said
        os.killpg(boot.pid, signal.SIGINT)
        said = boot.stderr.read()  # until every process that could still say something has ended
    assert (boot.returncode, said) == (130, "")
    assert not list((tmp_path / "cache" / "native").glob("*/*"))
