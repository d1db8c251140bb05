"""`limosa console`: the guest's first serial port on this terminal, following the VM wherever it goes.

The terminal is raw: every key goes to the guest, Ctrl+] leaves. The output is asked for by absolute offset, so a
controller that is restarted in the middle costs neither a gap nor a repetition.
"""

import os
import queue
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from controller.cli.options import Controller, VmName
from controller.cli.output import message
from controller.cli.session import Session, connect
from controller.errors import ControllerUnreachable

ESCAPE = b"\x1d"  # Ctrl+]
RECONNECT_S = 30.0
RECONNECT_EVERY_S = 0.5
LEAVE_S = 1.0
READ_BYTES = 4096
LEFT = "left"

Keys = queue.SimpleQueue[bytes | None]


def register(app: typer.Typer) -> None:
    app.command()(console)


def console(
    vm: VmName,
    new: Annotated[bool, typer.Option("--new", help="Only what is written from now on.")] = False,
    controller: Controller = None,
) -> None:
    """Attach to a VM's console. Ctrl+] leaves; the VM runs on. The console follows the VM when it migrates.

    Begins with what is kept of the past output, unless --new. Without a terminal, standard input is sent to the guest
    until it ends, and the output goes on until the VM stops.

    \b
    limosa console web
    echo 'uname -a' | limosa console web --new
    """
    from protos import controller_pb2

    with connect(controller) as session:
        state = session.call("GetVm", controller_pb2.VmRequest(vm=vm))
        offset = state.console_bytes if new else 0
        interactive = sys.stdin.isatty()
        with raw_terminal(interactive):
            if interactive:
                message(f"connected to {vm} on {state.node}; Ctrl+] leaves\r")
            why = attach(session, vm, offset, _stdin, _stdout)
    message(f"\n{vm}: {'left the console; the VM runs on' if why == LEFT else f'the VM {why}'}")


def attach(
    session: Session, vm: str, offset: int, source: Callable[[Keys], None], sink: Callable[[bytes], None]
) -> str:
    """Pump both ways until the guest ends or the user leaves; returns why."""
    keys: Keys = queue.SimpleQueue()
    threading.Thread(target=source, args=(keys,), daemon=True, name="console keys").start()
    typed = _Typed(keys)
    deadline = time.monotonic() + RECONNECT_S
    while True:
        try:
            call = session.begin("Console", typed.messages(vm, offset))
            typed.cancel = call.cancel
            for output in session.messages(call):
                deadline = time.monotonic() + RECONNECT_S
                if output.data:
                    sink(output.data)
                    offset = output.offset + len(output.data)
                if output.closed:
                    return str(output.closed)
            if typed.left:
                return LEFT
        except ControllerUnreachable:
            if time.monotonic() > deadline:
                raise
        if typed.left:
            return LEFT
        time.sleep(RECONNECT_EVERY_S)


class _Typed:
    """What was typed, as the messages of one stream after another; a key taken by a stream that broke is sent again."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._stream = 0
        self.left = False
        self.cancel: Callable[[], object] = bool

    def messages(self, vm: str, offset: int) -> Iterator[Any]:
        from protos import controller_pb2

        self._stream += 1
        mine = self._stream
        yield controller_pb2.ConsoleInput(vm=vm, from_offset=offset)
        while not self.left:
            try:
                data = self._keys.get(timeout=0.5)
            except queue.Empty:
                if mine != self._stream:
                    return
                continue
            if mine != self._stream and data is not None:
                self._keys.put(data)
                return
            if data is None or ESCAPE in data:
                self._leave()
                return
            yield controller_pb2.ConsoleInput(data=data)

    def _leave(self) -> None:
        """The end of our messages ends the stream; should nobody hear of it, it is ended from here."""
        self.left = True
        timer = threading.Timer(LEAVE_S, self.cancel)
        timer.daemon = True
        timer.start()


@contextmanager
def raw_terminal(interactive: bool) -> Iterator[None]:
    """Every key as it is typed, and the terminal as it was afterwards."""
    if not interactive:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # not the default, which throws away what was typed ahead
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _stdin(keys: Keys) -> None:
    """Read keys until the end of input; only a key leaves the console, the end of a pipe does not."""
    while data := os.read(sys.stdin.fileno(), READ_BYTES):
        keys.put(data)


def _stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
