"""`python -m node.jit.regions.compiler_process FD`: compiles regions for another process, as long as that one asks.

LLVM is a large program, and a region is made of whatever a guest has put into its memory: what an assertion or a crash
in there ends is this process, and no guest's machine (`outside.py` is the other side).

    the library's texts                  → CPU time
    a shape, as in the catalogue's files → CPU time, a translation; nothing behind the time: it cannot be moved about
"""

import struct
import sys
import time
from multiprocessing.connection import Connection

from node.jit.regions import catalogue, translation
from node.jit.regions.compiler import RegionCompiler
from node.jit.regions.translation import Attempt

_USED = struct.Struct("<q")  # nanoseconds
BETWEEN_TEXTS = "\0"
IDLE_S = 30.0  # then it makes room: sixty megabytes


def serve(asked: Connection) -> None:
    try:
        compiler = RegionCompiler(asked.recv_bytes().decode().split(BETWEEN_TEXTS))
        told_ns = time.process_time_ns()
        asked.send_bytes(_USED.pack(told_ns))
        while asked.poll(IDLE_S):
            answer = _compiled(compiler, asked.recv_bytes())
            used_ns = time.process_time_ns()
            asked.send_bytes(_USED.pack(used_ns - told_ns) + answer)
            told_ns = used_ns
    except (EOFError, ConnectionError):  # nobody asks any more
        return


def _compiled(compiler: RegionCompiler, request: bytes) -> bytes:
    (shape,) = catalogue.decoded(request)
    made = compiler.compile(shape)
    return translation.encoded(made) if made is not None else b""


def used_ns_of(answer: bytes) -> int:
    return int(_USED.unpack_from(answer)[0])


def attempt_of(answer: bytes) -> Attempt:
    content = answer[_USED.size :]
    return Attempt(translation.decoded(content) if content else None, used_ns_of(answer))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
