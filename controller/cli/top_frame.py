"""One frame of `limosa top` on a terminal: lines of text made of figures, cut to the window's size.

Above the totals, then nodes, running migrations and VMs; what does not fit is counted, not forgotten, and the VMs give
way first. Nothing here knows a terminal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from controller.cli.output import Column, table
from controller.cli.top_rows import OUTRUN, Figures, Row
from controller.cli.top_view import SORTS, Picture, View, clock
from controller.cli.units import format_bytes, format_ns, format_rate

HEAD_LINES = 10  # for the nodes, and as many for the migrations, however small the window is
KEYS = "q quit   space hold   s sort by: {sort}{order}   r reverse"


def _known(show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "-" if value is None else show(value)


def mips(per_s: float) -> str:
    return f"{per_s / 1e6:.1f}"


def percent(share: float) -> str:
    return f"{share:.0%}"


def console_rate(per_s: float) -> str:
    return f"{format_bytes(per_s)}/s" if per_s else "-"


NODES = (
    Column("NODE", "name"),
    Column("STATE", "state"),
    Column("VMS", "vms", right=True),
    Column("PROMISED", "memory_promised_bytes", format_bytes, right=True),
    Column("MEMORY", "memory_bytes", format_bytes, right=True),
    Column("CPUS", "cpus", right=True),
    Column("CPU", "cpu_share", _known(percent), right=True),
    Column("MIPS", "instructions_per_s", _known(mips), right=True),
)
MIGRATIONS = (
    Column("MIGRATION", "vm"),
    Column("FROM", "source"),
    Column("TO", "target"),
    Column("ROUND", "round", right=True),
    Column("LEFT", "left_bytes", format_bytes, right=True),
    Column("LINK", "bytes_per_s", format_rate, right=True),
    Column("WRITES", "dirty_bytes_per_s", _known(format_rate), right=True),
    Column("DOWNTIME", "predicted_downtime_ns", _known(format_ns), right=True),
    Column("ALLOWED", "max_downtime_ns", format_ns, right=True),
    Column("SENT", "sent_bytes", format_bytes, right=True),
    Column("PHASE", "phase"),
    Column("ALGORITHM", "algorithm"),
)
VMS = (
    Column("VM", "name"),
    Column("STATE", "state"),
    Column("NODE", "node"),
    Column("MIPS", "instructions_per_s", _known(mips), right=True),
    Column("CPU", "cpu_share", _known(percent), right=True),
    Column("MEMORY", "memory_bytes", format_bytes, right=True),
    Column("CONSOLE", "console_bytes_per_s", _known(console_rate), right=True),
    Column("MIGRATIONS", "migrations", right=True),
    Column("JOB", "job", lambda job: job or "-"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the screen, and how it stands out: "", "bold", "reverse", or "red"."""

    text: str
    style: str = ""


def frame(picture: Picture, *, width: int, height: int) -> list[Line]:
    """The whole window."""
    shown, view = picture.shown, picture.view
    lines = [Line(_summary(shown)), Line(picture.notice, "red") if picture.notice else Line(_keys(view))]
    share = max(HEAD_LINES, height // 4)
    lines += _section(shown.nodes, NODES, share)
    lines += _section(shown.migrations, MIGRATIONS, share, below=_verdict)
    lines += _section(arranged(shown.vms, view), VMS, height - len(lines))
    return [Line(line.text[:width], line.style) for line in lines[:height]]


def arranged(vms: Sequence[Row], view: View) -> list[Row]:
    """In the order that the view asks for; those without a figure come last."""
    key, big_first = SORTS[view.sort]
    named = sorted(vms, key=lambda row: str(row["name"]))
    known = [row for row in named if row[key] is not None]
    unknown = [row for row in named if row[key] is None]
    return [*sorted(known, key=lambda row: row[key], reverse=big_first != view.reverse), *unknown]


def _summary(shown: Figures) -> str:
    total = shown.total
    parts = [
        f"limosa {clock(shown.unix_ns)}",
        f"{total['nodes_ready']} of {total['nodes']} nodes ready",
        f"{total['vms_running']} of {total['vms']} VMs running",
        f"{total['migrations']} migrating",
        f"{_known(mips)(total['instructions_per_s'])} MIPS",
        f"{_known(percent)(total['cpu_share'])} CPU",
        f"{format_bytes(total['memory_promised_bytes'])} promised",
    ]
    return "   ".join(parts)


def _keys(view: View) -> str:
    order = ", reversed" if view.reverse else ""
    return ("HELD   " if view.held else "") + KEYS.format(sort=view.sort, order=order)


def _section(
    rows: Sequence[Row], columns: Sequence[Column], lines: int, *, below: Callable[[Row], list[Line]] | None = None
) -> list[Line]:
    """A blank line, a heading, the rows and what stands below each; cut to so many lines. Nothing for no rows."""
    if not rows:
        return []
    heading, *body = table(rows, columns).splitlines()
    section = [Line(""), Line(heading, "bold")]
    for shown, (row, text) in enumerate(zip(rows, body, strict=True)):
        entry = [Line(text), *(below(row) if below is not None else [])]
        last = shown + 1 == len(rows)
        if len(section) + len(entry) + (not last) > lines:
            return [*section, Line(f"… {len(rows) - shown} more")]
        section += entry
    return section


def _verdict(row: Row) -> list[Line]:
    return [Line(f"  {row['verdict']}", "red" if row["verdict"] == OUTRUN else "")]
