"""Prometheus's own programs as judges: where they are, and what its checker says of a page of metrics."""

import os
import shutil
import subprocess

import pytest

BOUND_S = 30.0


def installed(program: str) -> str:
    """The path of `prometheus` or `promtool`. CI must have them; elsewhere a test that wants them is skipped."""
    path = shutil.which(program)
    if path is None:
        missing = f"{program} is not installed: it comes with Debian's package `prometheus`"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return path


def complaints(page: str) -> str:
    """`promtool check metrics` over the page: empty when it is clean."""
    command = [installed("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, timeout=BOUND_S, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
