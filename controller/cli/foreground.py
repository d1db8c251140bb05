"""Becoming `python -m node.foreground`, which is what `limosa boot` does: this process, another program.

Imports as little as may be: a machine waits for it.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import controller


def become(arguments: Sequence[str]) -> NoReturn:
    """`arguments`: what stands behind `limosa boot`."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root(), environment.get("PYTHONPATH", "")]))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "node.foreground", *arguments], environment)


def package_root() -> str:
    """The directory that holds our packages: the checkout, or site-packages."""
    return os.path.dirname(os.path.realpath(next(iter(controller.__path__))))
