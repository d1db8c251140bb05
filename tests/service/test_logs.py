"""What a process writes on stderr: one event a line, in a form that machines read."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import asyncio, logging, structlog
from service import logs

logs.configure({form!r}, service="test", node="n1")

async def work():
    structlog.get_logger().info("migration.begun", migration="m-1", vm="a")
    try:
        raise ValueError("a bug\\nof two lines")
    except ValueError:
        logging.getLogger("grpc._cython.cygrpc").exception("Unexpected [%s]", "ValueError")
    logging.getLogger("grpc").info("chatter")

asyncio.run(work())
"""


def written(form: str) -> list[str]:
    command = [sys.executable, "-c", SCRIPT.format(form=form)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_is_one_object_a_line_whoever_speaks() -> None:
    own, library = [json.loads(line) for line in written("json")]
    assert own.items() >= {
        ("event", "migration.begun"),
        ("service", "test"),
        ("node", "n1"),
        ("vm", "a"),
        ("migration", "m-1"),
        ("level", "info"),
    }
    assert own["timestamp"].endswith("Z")
    assert (library["event"], library["logger"]) == ("library.log", "grpc._cython.cygrpc")
    assert library["text"] == "Unexpected [ValueError]" and "a bug\nof two lines" in library["exception"]
    assert library["service"] == "test"


@pytest.mark.parametrize("word", ["migration.begun", "migration=m-1", "service=test", "node=n1"])
def test_text_says_the_same(word: str) -> None:
    assert word in written("text")[0]
