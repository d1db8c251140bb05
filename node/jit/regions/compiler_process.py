"""`python -m node.jit.regions.compiler_process FD`: compiles regions for another process, as long as that one asks.

LLVM is a large program, and a region is made of whatever a guest has put into its memory: what an assertion or a crash
in there ends is this process, and no guest's machine (`outside.py` is the other side).

    the library's texts                  → CPU time; not of a fork, which has them
    a shape, as in the catalogue's files → CPU time, a translation; nothing behind the time: it cannot be moved about
"""

import ctypes
import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from node.jit.regions import catalogue, translation
from node.jit.regions.compiler import RegionCompiler
from node.jit.regions.giving_way import giving_way
from node.jit.regions.translation import Attempt

Texts = Callable[[], Sequence[str]]  # of `semantics_library.py`, made when first asked for

_USED = struct.Struct("<q")  # nanoseconds
PR_SET_PDEATHSIG = 1
BETWEEN_TEXTS = "\0"
IDLE_S = 30.0  # then it makes room: sixty megabytes


def begin(asked: Connection) -> None:
    _end_with_parent()
    with suppress(EOFError, ConnectionError):  # nobody asks any more
        library = asked.recv_bytes().decode().split(BETWEEN_TEXTS)
        with giving_way():
            compiler = RegionCompiler(library)
        begun_ns = time.process_time_ns()
        asked.send_bytes(_USED.pack(begun_ns))
        _serve(asked, compiler, begun_ns)


def become(asked: Connection, texts: Texts) -> NoReturn:
    """In a fork of the asking process, of which nothing else shall stay alive here, nor be cleaned up."""
    try:
        _end_with_parent()
        os.setpgid(0, 0)  # not a session, which Linux gives as much of a core as the whole of the guest's (autogroup)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.closerange(3, asked.fileno())
        os.closerange(asked.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        with suppress(EOFError, ConnectionError):
            if asked.poll(IDLE_S):  # a guest may be done before anything of it is worth compiling
                with giving_way():
                    compiler = RegionCompiler(texts())
                _serve(asked, compiler, 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _end_with_parent() -> None:
    """And not only when the region at hand is done, and what is asked next is the end of file."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _serve(asked: Connection, compiler: RegionCompiler, told_ns: int) -> None:
    while asked.poll(IDLE_S):
        answer = _compiled(compiler, asked.recv_bytes())
        used_ns = time.process_time_ns()
        asked.send_bytes(_USED.pack(used_ns - told_ns) + answer)
        told_ns = used_ns


def _compiled(compiler: RegionCompiler, request: bytes) -> bytes:
    (shape,) = catalogue.decoded(request)
    with giving_way():
        made = compiler.compile(shape)
        return translation.encoded(made) if made is not None else b""


def used_ns_of(answer: bytes) -> int:
    return int(_USED.unpack_from(answer)[0])


def attempt_of(answer: bytes) -> Attempt:
    content = answer[_USED.size :]
    return Attempt(translation.decoded(content) if content else None, used_ns_of(answer))


if __name__ == "__main__":
    begin(Connection(int(sys.argv[1])))
