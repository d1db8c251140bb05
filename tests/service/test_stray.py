"""What is printed past every log, by gRPC and by Python itself, is an event a sentence all the same."""

import json
import subprocess
import sys
from typing import Any

import pytest

from service.stray import TRACEBACK, Sentences

BOUND_S = 60
BUG = f"{TRACEBACK}\n  File “x.py”, line 1, in f\n    f()\nValueError: a bug"

# A client that goes away while its handler works, and a handler that then fails: gRPC cannot tell it, logs that, and
# prints it too. Then a server that ends while a call is under way, at which gRPC's core speaks, beneath Python.
VANISHED = """
import asyncio
import {service}.__main__  # as in the service: what is set there must be set before gRPC comes
import grpc
import grpc.aio
from service import logs

async def main():
    begun, failed = asyncio.Event(), asyncio.Event()

    async def fail(request, context):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("a bug of ours") from None
        finally:
            failed.set()

    handlers = {{"Fail": grpc.unary_unary_rpc_method_handler(fail)}}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{{port}}") as channel:
        call = channel.unary_unary("/Test/Fail")(b"")
        await begun.wait()
        call.cancel()
        await failed.wait()
        begun.clear()
        call = channel.unary_unary("/Test/Fail")(b"")
        await begun.wait()
        await server.stop(0)

logs.configure("json", service="test")
asyncio.run(main())
"""

# All that Python says of its own accord.
HOOKS = """
import sys, threading, warnings
from service import logs

class Grave:
    def __del__(self):
        raise ValueError("in a destructor")

def fail():
    raise ValueError("in a thread")

logs.configure("json", service="test")
warnings.warn("old ways")
Grave()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
print("half a line", end="", file=sys.stderr, flush=True)
try:
    raise KeyError("its cause")
except KeyError as error:
    raise ValueError("in the main thread") from error
"""


def said(script: str, status: int = 0) -> list[dict[str, Any]]:
    """By a process of its own; each line on its stderr must be an object."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=BOUND_S)
    assert done.returncode == status, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize("service", ["controller", "node", "storage"])
def test_a_client_that_went_away_leaves_no_line_that_machines_cannot_read(service: str) -> None:
    lines = said(VANISHED.format(service=service))
    assert {(line["event"], line["service"]) for line in lines} == {("library.log", "test")}
    printed = [line for line in lines if line["logger"] == "stderr"]  # of the first client and, it depends, the second
    assert any("ExecuteBatchError" in line["text"] and line["level"] == "warning" for line in printed)
    assert all(line["exception"].startswith(TRACEBACK) for line in printed)
    assert any("a bug of ours" in line.get("exception", "") for line in lines), "its reason is logged"


def test_what_nobody_caught_is_an_event_a_traceback() -> None:
    lines = said(HOOKS, status=1)
    assert {(line["event"], line["service"]) for line in lines} == {("library.log", "test")}
    texts = [line["text"] for line in lines]
    for error in ("in a destructor", "in a thread", "in the main thread", "its cause"):
        (line,) = [line for line in lines if error in line["text"]]
        assert line["exception"].startswith(TRACEBACK), line
    assert any("old ways" in text for text in texts) and any("half a line" in text for text in texts)


def test_sentences_are_whole_however_they_come() -> None:
    text = f"one\n\n{BUG}\n{BUG}\nlast\n"
    for size in (1, 7, len(text)):
        sentences = Sentences()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert [whole for piece in pieces for whole in sentences.add(piece)] == ["one", BUG, BUG, "last"], size
        assert sentences.rest() == []


def test_the_rest_is_said_too() -> None:
    sentences = Sentences()
    assert sentences.add(f"{BUG}\nhalf") == [BUG] and sentences.rest() == ["half"]
    assert sentences.add(BUG) == [] and sentences.rest() == [BUG] and sentences.rest() == []
