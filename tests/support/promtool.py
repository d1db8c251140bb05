"""What Prometheus's own checker says of a page of metrics."""

import os
import shutil
import subprocess

import pytest

BOUND_S = 30.0


def complaints(page: str) -> str:
    """`promtool check metrics` over the page: empty when it is clean. CI must have it; elsewhere its absence skips."""
    promtool = shutil.which("promtool")
    if promtool is None:
        missing = "promtool is not installed: it comes with Debian's package `prometheus`"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=BOUND_S, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
