"""One migration's report as text: the verdict, the rounds, the downtime and its parts; and two reports side by side.

Every figure comes from the job's row (schema.py), so the report, JSON and YAML cannot disagree.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from controller.cli.output import Column, table
from controller.cli.units import format_bytes, format_ns, format_rate

Row = Mapping[str, Any]

ROUNDS = (
    Column("ROUND", "number", right=True),
    Column("PAGES", "pages_normal", right=True),
    Column("ZERO", "pages_zero", right=True),
    Column("SENT", "bytes_sent", format_bytes, right=True),
    Column("TIME", "duration_ns", format_ns, right=True),
    Column("RATE", "bytes_per_s", format_rate, right=True),
    Column("DIRTY AFTER", "dirty_pages_after", right=True),
    Column("VERDICT", "verdict"),
    Column("WHY", "reason"),
)


def verdict(job: Row) -> str:
    """One sentence: what happened, and where the VM is."""
    route = f"{job['vm']}: {job['source']} → {job['target']} by {job['algorithm']}"
    where = f"it runs on {job['runs_on']}" if job["runs_on"] else "nobody can say where it runs"
    match job["state"]:
        case "succeeded":
            return f"{route}: succeeded, downtime {format_ns(job['downtime_ns'])}, total {format_ns(job['total_ns'])}"
        case "running":
            return f"{route}: running ({job['phase']})"
        case state:
            return f"{route}: {state}; {where} ({job['error']})"


def report(job: Row) -> str:
    """The whole report of one job."""
    lines = [verdict(job), ""]
    if job["rounds"]:
        lines += [table(job["rounds"], ROUNDS), ""]
    lines += [f"{name:<12}{value:>14}" for name, value in figures(job)]
    if job["downtime_parts"]:
        lines += ["", *(f"{name:<12}{value:>14}" for name, value in downtime(job))]
    return "\n".join(lines)


def figures(job: Row) -> list[tuple[str, str]]:
    """What was sent, and how long it took."""
    return [
        ("job", job["id"]),
        ("rounds", str(len(job["rounds"]))),
        ("pages", f"{job['pages_normal']:,}"),
        ("zero pages", f"{job['pages_zero']:,}"),
        ("sent", format_bytes(job["bytes_sent"])),
        ("total", format_ns(job["total_ns"])),
    ]


def downtime(job: Row) -> list[tuple[str, str]]:
    """The downtime, then its parts, which sum to it."""
    parts = [(f"  {part['name']}", _ms(part["duration_ns"])) for part in job["downtime_parts"]]
    return [("downtime", _ms(job["downtime_ns"])), *parts]


def side_by_side(jobs: Sequence[Row]) -> str:
    """Several reports in columns, same figures on the same lines."""
    headings = [job["algorithm"] for job in jobs]
    sections = [[figures(job) for job in jobs], [downtime(job) for job in jobs]]
    lines = ["".join([f"{'':<14}", *(f"{heading:>16}" for heading in headings)])]
    for columns in sections:
        lines.append("")
        values = [dict(column) for column in columns]
        names = list(dict.fromkeys(name for column in columns for name, _ in column))
        lines += ["".join([f"{name:<14}", *(f"{column.get(name, '-'):>16}" for column in values)]) for name in names]
    return "\n".join(lines)


def round_line(entry: Row) -> str:
    """One round as a log line, for where nothing can be redrawn."""
    return (
        f"round {entry['number']}: {entry['pages_normal']} pages and {entry['pages_zero']} zero, "
        f"{format_bytes(entry['bytes_sent'])} in {format_ns(entry['duration_ns'])} "
        f"({format_rate(entry['bytes_per_s'])}), {entry['dirty_pages_after']} dirty after; "
        f"{entry['verdict']}: {entry['reason']}"
    )


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.3f} ms"
