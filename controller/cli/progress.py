"""A migration as it happens: a table of rounds that grows on a terminal, a line for each round anywhere else.

Never a lone percentage: what is shown is what was sent, what is left, and why each round ended.
"""

import sys
from types import TracebackType
from typing import Any, Protocol

from controller.cli.output import fancy, message, table
from controller.cli.report import ROUNDS, round_line
from controller.cli.units import format_bytes, format_rate

Row = dict[str, Any]
PAGE = 4096


class Progress(Protocol):
    """Takes the job's row at each change."""

    def __enter__(self) -> "Progress": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, job: Row) -> None: ...


class Lines:
    """For pipes and logs: one line a phase and a round, to stderr."""

    def __init__(self) -> None:
        self._rounds = 0
        self._phase = ""

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, job: Row) -> None:
        for entry in job["rounds"][self._rounds :]:
            message(f"{job['vm']}: {round_line(entry)}")
        self._rounds = len(job["rounds"])
        if job["phase"] != self._phase and job["state"] == "running":
            self._phase = job["phase"]
            message(f"{job['vm']}: {self._phase}")


class LiveTable:
    """For terminals: rounds and the present one, redrawn on stderr and gone at the end (the report follows)."""

    def __init__(self) -> None:
        from rich.console import Console  # late: nobody else needs it
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), transient=True, refresh_per_second=10)

    def __enter__(self) -> "LiveTable":
        self._live.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._live.__exit__(*details)

    def update(self, job: Row) -> None:
        from rich.text import Text

        self._live.update(Text(frame(job)))


def progress() -> Progress:
    """What suits stderr."""
    return LiveTable() if fancy(sys.stderr) else Lines()


def frame(job: Row) -> str:
    """One drawing of a running migration."""
    left = job["pages_remaining"] * PAGE
    lines = [f"{job['vm']}: {job['source']} → {job['target']} by {job['algorithm']}, {job['phase']}", ""]
    if job["rounds"]:
        lines += [table(job["rounds"], ROUNDS), ""]
    lines.append(f"sent {format_bytes(job['bytes_sent'])}, left {format_bytes(left)}{_rate(job)}")
    lines.append("Ctrl-C cancels: the VM then stays where it is")
    return "\n".join(lines)


def _rate(job: Row) -> str:
    """The rate now, and a warning when the guest outruns it."""
    if not job["rounds"]:
        return ""
    last = job["rounds"][-1]
    text = f", {format_rate(last['bytes_per_s'])}"
    if len(job["rounds"]) > 1 and last["dirty_pages_per_s"] * PAGE >= last["bytes_per_s"] > 0:
        text += "; the guest writes faster than that: more --bandwidth or --max-downtime would help"
    return text
