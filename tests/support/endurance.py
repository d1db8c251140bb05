"""Many migrations of one VM, to and fro, by the calls that `limosa migrate` makes; what each was, and their medians."""

import secrets
import statistics
from collections.abc import Sequence
from typing import Any

from controller.cli.schema import job_row
from controller.cli.session import Session
from protos import common_pb2, controller_pb2

Row = dict[str, Any]


def migrate(session: Session, vm: str, target: str, **options: Any) -> Row:
    """One migration, to its end; its row."""
    request = controller_pb2.MigrateRequest(
        vm=vm,
        target=target,
        options=common_pb2.MigrationOptions(**options),
        request_id=secrets.token_hex(8),
    )
    begun = session.call("Migrate", request)
    *_, last = session.stream("WatchJob", controller_pb2.JobRequest(job=begun.id))
    return job_row(last)


def assert_whole(row: Row, target: str) -> None:
    """It succeeded, was verified, runs there, and its figures add up."""
    assert (row["state"], row["runs_on"]) == ("succeeded", target), row["error"]
    assert len(row["digest"]) >= 32, "the digest that source and target agreed on"
    assert sum(part["duration_ns"] for part in row["downtime_parts"]) == row["downtime_ns"] > 0
    assert row["downtime_ns"] <= row["total_ns"]
    assert sum(entry["pages_normal"] for entry in row["rounds"]) == row["pages_normal"]


def to_and_fro(session: Session, vm: str, options: Sequence[Row], *, first: str = "n2", then: str = "n1") -> list[Row]:
    """One migration for each of the options; all must succeed."""
    rows = []
    for turn, each in enumerate(options):
        target = then if turn % 2 else first
        row = migrate(session, vm, target, **each)
        assert_whole(row, target)
        rows.append(row)
    return rows


def summary(rows: Sequence[Row]) -> str:
    """The medians (and worst) of migrations by the same algorithm."""

    def figure(name: str) -> str:
        values = [row[name] / 1e6 for row in rows]
        return f"{name.removesuffix('_ns')} median {statistics.median(values):.1f} ms, worst {max(values):.1f} ms"

    rounds = [len(row["rounds"]) for row in rows]
    sent = statistics.median(row["bytes_sent"] for row in rows) / 1e6
    return (
        f"{len(rows)} × {rows[0]['algorithm']}: {figure('downtime_ns')}; {figure('total_ns')}; "
        f"rounds {min(rounds)} to {max(rounds)}, median {statistics.median(rounds):g}; {sent:.1f} MB sent at the median"
    )
