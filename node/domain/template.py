"""`python -m node.domain.template`: the process from which every domain of a node is forked.

It pays once for what is slow (importing the machine, loading or compiling the interpreter), so that a domain costs a
fork. It keeps three rules, which make that fork safe: it has one thread when it forks, it never imports grpc, and it
holds nothing of any domain afterwards.

Control is a SOCK_SEQPACKET socket to the agent, one short text a packet:

    template -> agent   progress SHARE TEXT | ready
    agent -> template   fork NAME           with one file descriptor: the domain's end of its channel
    template -> agent   forked PID          with one file descriptor: the domain's pidfd
                        failed TEXT

A domain is forked twice, so that its parent is not this process but the agent (the nearest subreaper): who reaps it,
and what its death means, are then the same whether or not the template still lives. End of file on the control
socket means that the agent is gone: the template ends, and so does each domain, by its own channel.
"""

import argparse
import contextlib
import gc
import os
import resource
import signal
import socket
import traceback
from pathlib import Path
from typing import NoReturn

from node.domain import machinery
from node.domain.framing import PACKET_BYTES
from node.domain.machinery import Machinery
from node.domain.process import run

SPLIT_FAILED = 1
DOMAIN_FAILED = 70
OOM_SCORE = "500"


def main() -> None:
    settings = _arguments()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent's business, which closes our socket
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not write a guest's memory to a file
    control = socket.socket(fileno=settings.control_fd)
    control.set_inheritable(False)
    kind = machinery.load(settings.machinery)

    def say(share: float, text: str) -> None:
        _say(control, f"progress {share:.3f} {text}")

    kind.warm(settings.cache, say, precompiled=settings.precompiled)
    gc.collect()
    gc.freeze()  # the pages of what exists now stay shared with the domains: no collector writes to them
    _say(control, "ready")
    while (request := _next_request(control)) is not None:
        name, channel = request
        _fork_domain(control, kind, name, channel)
        channel.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node.domain.template", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--control-fd", type=int, required=True, help="the inherited socket to the agent")
    parser.add_argument("--cache", required=True, type=Path, help="directory of the compiled interpreter")
    parser.add_argument("--precompiled", type=Path, help="another one, looked at first and only read")
    parser.add_argument("--machinery", required=True, help="module:attribute of the machines to make")
    return parser.parse_args()


def _next_request(control: socket.socket) -> tuple[str, socket.socket] | None:
    """The next domain to fork, or None when the agent is gone."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(control, PACKET_BYTES, 1)
    except ConnectionError:
        return None
    if not packet:
        return None
    verb, _, name = packet.decode().partition(" ")
    assert verb == "fork" and len(descriptors) == 1, f"unknown request {verb!r}"
    return name, socket.socket(fileno=descriptors[0])


def _fork_domain(control: socket.socket, kind: Machinery, name: str, channel: socket.socket) -> None:
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        _say(control, f"failed the template has {threads} threads: a fork would lose all but one of them")
        return
    between = os.fork()
    if between == 0:
        _fork_again(control, kind, name, channel)
    _, status = os.waitpid(between, 0)
    if status != 0:
        _say(control, f"failed the forked process ended with status {status}")


def _fork_again(control: socket.socket, kind: Machinery, name: str, channel: socket.socket) -> NoReturn:
    """In the process between: fork the domain, tell the agent, and end, which makes the domain the agent's child."""
    try:
        pid = os.fork()
        if pid == 0:
            _become_domain(control, kind, name, channel)
        socket.send_fds(control, [f"forked {pid}".encode()], [os.pidfd_open(pid)])
    except OSError:
        os._exit(SPLIT_FAILED)
    os._exit(0)


def _become_domain(control: socket.socket, kind: Machinery, name: str, channel: socket.socket) -> NoReturn:
    """In the domain: from here on a process of its own, which must not return into the template's code."""
    try:
        control.close()
        Path("/proc/self/comm").write_text(f"vm:{name}"[:15])
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)  # a host short of memory ends a VM, not the agent
        run(channel, kind)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(DOMAIN_FAILED)  # nothing of the template's may run its clean-up here


def _say(control: socket.socket, text: str) -> None:
    """Tell the agent; if it is gone, the next request will say so."""
    with contextlib.suppress(ConnectionError):
        control.send(text.encode()[:PACKET_BYTES])


if __name__ == "__main__":
    main()
