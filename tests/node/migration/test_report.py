"""The report's laws: each holds for a true report and is broken by a false one."""

from dataclasses import fields, replace
from typing import Any

import pytest

from node.migration.report import DOWNTIME_PARTS, DowntimeClock, DowntimePart, Report, Round, unbalanced
from protos import common_pb2

ROUNDS = (
    Round(1, 90, 10, 400_000, 5, dirty_pages_after=20, verdict="continue"),
    Round(2, 20, 0, 90_000, 3, dirty_pages_after=4, verdict="stop-and-copy"),
    Round(3, 5, 1, 30_000, 2, verdict="stop-and-copy"),
)
TRUE = Report(
    migration_id="m",
    algorithm="pre-copy",
    result="succeeded",
    runs_on="target",
    rounds=ROUNDS,
    downtime_parts=tuple(DowntimePart(name, 3) for name in DOWNTIME_PARTS),
    downtime_ns=24,
    total_ns=50,
    setup_ns=4,
    bytes_sent=525_000,
    bytes_around=5_000,
    pages_normal=115,
    pages_zero=11,
    digest="00",
)
LIES: dict[str, dict[str, Any]] = {
    "parts sum to the downtime": {"downtime_ns": 25},
    "parts are named once, in order": {"downtime_parts": TRUE.downtime_parts[::-1]},
    "no part is negative": {
        "downtime_parts": (DowntimePart("stop", -3), *TRUE.downtime_parts[1:]),
        "downtime_ns": 18,
    },
    "rounds are numbered from 1": {"rounds": (replace(ROUNDS[0], number=0), *ROUNDS[1:])},
    "normal pages are the rounds'": {"pages_normal": 116},
    "zero pages are the rounds'": {"pages_zero": 10},
    "bytes are the rounds' and those around": {"bytes_sent": 525_001},
    "dirty pages go into the next round": {"rounds": (replace(ROUNDS[0], dirty_pages_after=21), *ROUNDS[1:])},
    "downtime is within the total": {"total_ns": 23},
    "the VM runs where the result says": {"runs_on": "source"},
}


def test_a_true_report_keeps_every_law() -> None:
    assert unbalanced(TRUE) == []


@pytest.mark.parametrize("law", LIES)
def test_each_lie_breaks_its_own_law(law: str) -> None:
    assert unbalanced(replace(TRUE, **LIES[law])) == [law]


def test_resuming_adds_its_part_to_the_downtime_and_the_total() -> None:
    resumed = TRUE.resumed(7)
    assert (resumed.downtime_ns, resumed.total_ns) == (31, 57)
    assert resumed.downtime_parts[-1] == DowntimePart("resume", 10)
    assert unbalanced(resumed) == []


def test_the_clock_gives_each_moment_to_one_part() -> None:
    clock = DowntimeClock(last_ns=100)
    for name, now in (("stop", 103), ("verify", 110), ("transfer", 111), ("verify", 120)):
        clock.mark(name, now)
    parts = {part.name: part.duration_ns for part in clock.result()}
    assert tuple(parts) == DOWNTIME_PARTS and sum(parts.values()) == 20
    assert (parts["stop"], parts["verify"], parts["transfer"]) == (3, 16, 1)


def test_every_field_of_a_round_is_a_field_of_the_protocols_round() -> None:
    names = {field.name for field in common_pb2.Round.DESCRIPTOR.fields}
    assert {field.name for field in fields(Round)} == names
    parts = {field.name for field in common_pb2.DowntimePart.DESCRIPTOR.fields}
    assert {field.name for field in fields(DowntimePart)} == parts
    record = {field.name for field in common_pb2.MigrationRecord.DESCRIPTOR.fields}
    ours = {field.name for field in fields(Report)} - {"algorithm", "kind", "bytes_around"}
    assert ours <= record
