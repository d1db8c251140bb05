"""NUMBA_DISABLE_JIT=1: plain Python runs need no numba at all, and the interpreter can be compiled all the same."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PLAIN = """
import sys
from random import Random
from tests.support.random_case import random_case
from tests.support.encode import named_rows
from tests.support.engine import engine_named
from tests.support.user_world import UserWorld
world = UserWorld(engine_named("plain"))
for row in named_rows().values():
    if row.oracle:
        world.run(random_case(Random(row.code), row, "flat"))
world.close()
assert "numba" not in sys.modules
print("done")
"""
COMPILED = """
from node.ia32.flags import materialise
from node.jit.checks import Unchecked
from node.jit.lowering import Lowering
print(Lowering(Unchecked()).compile(materialise, ("cpu",)))
"""


def python(program: str) -> str:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_plain_python_executes_every_row_without_numba() -> None:
    assert python(PLAIN) == "done"


def test_functions_are_compiled_all_the_same() -> None:
    assert "materialise" in python(COMPILED)
