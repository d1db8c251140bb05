"""`limosa top`: VMs, nodes and running migrations as they are now, each second anew.

The only file of `top` with a clock and a connection: three questions for each sample, asked in a thread, so that a
controller that is slow or gone never makes a key wait. On a terminal the figures fill the window; anywhere else each
look is one line.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.options import Controller
from controller.cli.output import message
from controller.cli.session import Session, connect
from controller.cli.top_rows import Sample
from controller.cli.top_view import Picture, Unanswered, after, first, waiting
from controller.errors import ControllerError, ControllerUnreachable, Timeout

if TYPE_CHECKING:
    from controller.cli import top_terminal

CALL_S = 5.0
LAST_WIDTH, LAST_HEIGHT = 1000, 1000  # of the frame that is left behind: the terminal folds and scrolls it
GONE = (ControllerUnreachable, Timeout)


class Form(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


def register(app: typer.Typer) -> None:
    app.command()(top)


def top(
    delay: Annotated[float, typer.Option("--delay", "-d", metavar="SECONDS", min=0.1, help="Between two looks.")] = 1.0,
    iterations: Annotated[
        int, typer.Option("--iterations", "-n", metavar="N", min=0, help="End after so many looks; 0: do not.")
    ] = 0,
    controller: Controller = None,
    output: Annotated[Form, typer.Option("-o", "--output", help="table, or json: one object a line.")] = Form.TABLE,
) -> None:
    """Watch VMs, nodes and running migrations. Without a terminal: one line a second.

    Keys: q quits, space holds the picture, s sorts by the next column, r reverses. CPU is of one host CPU; WRITES is
    how fast the guest makes pages dirty, LINK how fast they are sent: pre-copy converges if the latter is the larger.

    \b
    limosa top
    limosa top -d 5 >> cluster.log
    limosa top -n 1 -o json | jq '.vms[] | [.name, .instructions_per_s]'
    """
    with connect(controller) as session:
        if output is Form.TABLE and drawable():
            _watch(session, delay, iterations)
        else:
            _print_lines(session, delay, iterations, output)


def drawable() -> bool:
    """Is standard output a terminal that can be drawn on?"""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def look(session: Session) -> Sample:
    """One sample."""
    from controller.cli.schema import job_row, node_row, vm_row
    from protos import controller_pb2

    vms = session.call("ListVms", controller_pb2.ListVmsRequest(), timeout_s=CALL_S)
    now_ns, unix_ns = time.monotonic_ns(), time.time_ns()
    nodes = session.call("ListNodes", controller_pb2.ListNodesRequest(), timeout_s=CALL_S)
    jobs = session.call("ListJobs", controller_pb2.ListJobsRequest(running=True), timeout_s=CALL_S)
    return Sample(
        now_ns,
        unix_ns,
        [vm_row(vm) for vm in vms.vms],
        [node_row(node) for node in nodes.nodes],
        [job_row(job) for job in jobs.jobs],
    )


def _watch(session: Session, delay_s: float, iterations: int) -> None:
    """On the terminal, until q, a signal, or the last iteration, whose frame is left behind."""
    from controller.cli import top_terminal
    from controller.cli.top_frame import frame

    events = top_terminal.Events()
    picture = first(look(session))
    with top_terminal.happenings(events), _looking(session, delay_s, events):
        why: object = top_terminal.Happened.SUSPENDED
        while why is top_terminal.Happened.SUSPENDED:
            with top_terminal.screen() as shown:
                picture, why = _shown_until(picture, events, shown, iterations)
            if why is top_terminal.Happened.SUSPENDED:
                top_terminal.stop_here()
    if why is top_terminal.Happened.ENDED:
        raise typer.Exit(128 + signal.SIGTERM)
    if not picture.view.quit:
        print("\n".join(line.text for line in frame(picture, width=LAST_WIDTH, height=LAST_HEIGHT)))


def _shown_until(
    picture: Picture, events: "top_terminal.Events", shown: "top_terminal.Screen", iterations: int
) -> tuple[Picture, object]:
    """Draw the picture after each event; what ended that: a signal, or None for the picture itself."""
    from controller.cli.top_frame import frame
    from controller.cli.top_terminal import Happened

    while True:
        width, height = shown.size()
        shown.draw(frame(picture, width=width, height=height))
        event = events.next()
        if event in (Happened.ENDED, Happened.SUSPENDED):
            return picture, event
        if isinstance(event, ControllerError):
            raise event
        picture = after(picture, event)
        if picture.view.quit or picture.looks == iterations:
            return picture, None


@contextmanager
def _looking(session: Session, delay_s: float, events: "top_terminal.Events") -> Iterator[None]:
    """Samples go to `events` inside this block, one each `delay_s`; and what keeps them from coming."""
    enough = threading.Event()

    def look_on() -> None:
        due = time.monotonic() + delay_s
        while not enough.wait(max(0.0, due - time.monotonic())):
            due = max(due + delay_s, time.monotonic())
            try:
                events.put(_answered(session))
            except (ControllerError, ValueError) as error:  # ValueError: the session was closed under us
                events.put(error)
                return

    threading.Thread(target=look_on, daemon=True, name="looks").start()
    try:
        yield
    finally:
        enough.set()


def _answered(session: Session) -> Sample | Unanswered:
    try:
        return look(session)
    except GONE:
        return Unanswered(time.time_ns(), session.address)


def _print_lines(session: Session, delay_s: float, iterations: int, form: Form) -> None:
    """One line for each look but the first, which is what the second is compared with."""
    from controller.cli.top_lines import json_line, text_line
    from controller.cli.top_rows import figures

    line = json_line if form is Form.JSON else text_line
    before, printed, told = look(session), 0, False
    due = time.monotonic()
    while not iterations or printed < iterations:
        due = max(due + delay_s, time.monotonic())
        time.sleep(due - time.monotonic())
        now = _answered(session)
        if isinstance(now, Unanswered):
            if not told:
                message(waiting(now))
            told = True
            continue
        print(line(figures(before, now)), flush=True)
        before, printed, told = now, printed + 1, False
