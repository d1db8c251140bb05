"""What `limosa top` makes of two samples: rates, verdicts, frames cut to the window; against golden files.

`LIMOSA_UPDATE_GOLDEN=1 pytest tests/controller/cli/test_top.py` writes the files anew; look at the difference then.
"""

import json
from dataclasses import replace

import pytest

from controller.cli.schema import job_row, node_row, vm_row
from controller.cli.top_frame import arranged, frame
from controller.cli.top_lines import json_line, text_line
from controller.cli.top_rows import Figures, Row, Sample, figures, verdict
from controller.cli.top_view import SORTS, Key, Picture, Unanswered, View, after, first
from protos import common_pb2, controller_pb2
from tests.support.golden import compare

AT = 1_700_000_000_000_000_000
SECOND = 10**9
MIB = 1 << 20
RUNNING, PAUSED = common_pb2.VM_STATE_RUNNING, common_pb2.VM_STATE_PAUSED


def vm(name: str, node: str, **facts: int | str) -> Row:
    spec = common_pb2.VmSpec(name=name, memory_bytes=64 * MIB)
    given: dict[str, int | str] = {"state": RUNNING, "pid": 100, **facts}
    return vm_row(controller_pb2.Vm(spec=spec, node=node, **given))  # type: ignore[arg-type]


def round_(number: int, **facts: float | str) -> common_pb2.Round:
    given = {"duration_ns": SECOND, "bytes_per_s": 12.5e6, "dirty_pages_per_s": 2000.0, **facts}
    return common_pb2.Round(number=number, **given)  # type: ignore[arg-type]


def job(phase: str = "active", *rounds: common_pb2.Round, bytes_per_s: float = 12.5e6) -> Row:
    record = common_pb2.MigrationRecord(
        migration_id="m-1", vm="web", source="n1", target="n2", phase=phase, rounds=rounds, bytes_sent=20 * MIB,
        options=common_pb2.MigrationOptions(algorithm="pre-copy", max_downtime_ns=300_000_000),
    )  # fmt: skip
    live = controller_pb2.Job(id="m-1", state="running", migration=record, pages_remaining=1000)
    live.bytes_per_s = bytes_per_s
    return job_row(live)


def sample(seconds: float, vms: list[Row], *jobs: Row) -> Sample:
    nodes = [controller_pb2.Node(name=n, state="ready", memory_bytes=4 << 30, cpus=2) for n in ("n1", "n2")]
    gone = controller_pb2.Node(name="n3", state="gone", memory_bytes=1 << 30, cpus=1)
    at = round(seconds * SECOND)
    return Sample(at, AT + at, vms, [node_row(node) for node in (*nodes, gone)], jobs)


def small() -> Figures:
    """Two VMs, one of which is under way; two seconds between the samples."""
    before = [vm("web", "n1", instructions=10**9, cpu_ns=SECOND), vm("deb", "n2", pid=7, state=PAUSED)]
    now = [
        vm("web", "n1", instructions=1_500_000_000, cpu_ns=3 * SECOND - 10**8, console_bytes=3072, job="m-1"),
        vm("deb", "n2", pid=7, state=PAUSED, migrations=3),
    ]
    slow = round_(1, dirty_pages_after=2600, predicted_downtime_ns=870_000_000, verdict="continue")
    return figures(sample(0, before), sample(2, now, job("active", slow)))


def text(picture: Picture, width: int = 200, height: int = 50) -> str:
    return "\n".join(line.text for line in frame(picture, width=width, height=height))


def picture(shown: Figures, **view: bool | str) -> Picture:
    return Picture(sample(0, []), shown, View(**view))  # type: ignore[arg-type]


def test_rates_are_differences_over_the_time_between_two_samples() -> None:
    web, deb = small().vms
    assert (web["instructions_per_s"], web["cpu_share"], web["console_bytes_per_s"]) == (250e6, 0.95, 1536)
    assert (deb["instructions_per_s"], deb["cpu_share"], deb["console_bytes_per_s"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("before", "now", "instructions", "cpu"),
    [
        (None, vm("a", "n1", instructions=5), None, None),
        (vm("a", "n1", instructions=5), vm("a", "n2", instructions=15, pid=200, cpu_ns=3), 10, None),
        (vm("a", "n1", instructions=5), vm("a", "n1", instructions=15, pid=200, cpu_ns=3), None, None),
        (vm("a", "n1", instructions=5), vm("a", "n1", pid=0), None, None),
        (vm("a", "n1", pid=0), vm("a", "n1", instructions=5, cpu_ns=3), None, None),
        (vm("a", "n1", instructions=9, cpu_ns=9), vm("a", "n1", instructions=5, cpu_ns=3), None, None),
    ],
    ids=["first sample", "migrated", "started anew", "node silent", "node back", "counters went back"],
)
def test_a_rate_that_two_samples_cannot_tell_is_not_told(
    before: Row | None, now: Row, instructions: int | None, cpu: float | None
) -> None:
    row = figures(sample(0, [before] if before else []), sample(1, [now])).vms[0]
    assert (row["instructions_per_s"], row["cpu_share"]) == (instructions, cpu)


def test_nodes_sum_what_their_vms_do_and_were_promised() -> None:
    n1, n2, n3 = small().nodes
    assert (n1["vms"], n1["memory_promised_bytes"], n1["instructions_per_s"]) == (1, 64 * MIB, 250e6)
    assert (n2["vms"], n2["instructions_per_s"]) == (1, 0)
    assert (n3["state"], n3["vms"], n3["instructions_per_s"]) == ("gone", 0, None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (job("preparing"), "n2 prepares"),
        (job("setup"), "n2 prepares"),
        (job("active"), "the first copy of all memory"),
        (job("active", round_(1, predicted_downtime_ns=900_000_000)), "converging"),
        (job("active", round_(1, predicted_downtime_ns=200_000_000)), "converged: the rest fits"),
        (
            job("active", round_(1, predicted_downtime_ns=900_000_000, dirty_pages_per_s=4000.0)),
            "the guest writes faster than the link",
        ),
        (
            job("active", round_(1, predicted_downtime_ns=900_000_000), bytes_per_s=4e6),
            "the guest writes faster than the link",
        ),
        (
            job("active", round_(1, predicted_downtime_ns=900_000_000, bytes_per_s=4e6), bytes_per_s=0),
            "the guest writes faster than the link",
        ),
        (job("stop-and-copy"), "the guest stands still: the last pages go"),
        (job("activating"), "committed: n2 starts it"),
        (job("releasing"), "it runs on n2: n1 is told"),
        (job("aborting"), "aborted: n1 is to run on"),
    ],
)
def test_how_a_migration_stands_is_said_in_words(row: Row, words: str) -> None:
    assert verdict(row) == words


def test_the_frame_is_as_ever() -> None:
    compare("top.txt", text(picture(small())))
    compare("top-held.txt", text(picture(small(), held=True, sort="mips", reverse=True)))
    nothing = replace(sample(0, []), nodes=[])
    compare("top-nothing.txt", text(first(nothing)))


def test_the_lines_are_as_ever() -> None:
    shown = small()
    compare("top-lines.txt", text_line(shown) + "\n" + text_line(figures(None, sample(0, []))))
    compare("top.json", json.dumps(json.loads(json_line(shown)), indent=2, ensure_ascii=False))
    assert json_line(shown).count("\n") == 0


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 5), (1, 1), (300, 100)])
def test_a_frame_never_exceeds_the_window(width: int, height: int) -> None:
    vms = [vm(f"vm-{i:03}", "n1") for i in range(200)]
    shown = figures(sample(0, vms), sample(1, vms, *[job()] * 30))
    lines = frame(picture(shown), width=width, height=height)
    assert len(lines) <= height and all(len(line.text) <= width for line in lines)


def test_vms_that_do_not_fit_are_counted() -> None:
    vms = [vm(f"vm-{i:03}", "n1") for i in range(200)]
    lines = text(picture(figures(None, sample(0, vms))), height=24).splitlines()
    shown = sum(line.startswith("vm-") for line in lines)
    assert len(lines) == 24 and lines[-1] == f"… {200 - shown} more"


def test_vms_without_a_figure_come_last_in_either_order() -> None:
    rows = [{"name": n, "instructions_per_s": r} for n, r in (("a", 1.0), ("b", None), ("c", 3.0), ("d", 2.0))]
    assert [row["name"] for row in arranged(rows, View(sort="mips"))] == ["c", "d", "a", "b"]
    assert [row["name"] for row in arranged(rows, View(sort="mips", reverse=True))] == ["a", "d", "c", "b"]
    assert [row["name"] for row in arranged(rows, View())] == ["a", "b", "c", "d"]


def test_keys_change_the_view() -> None:
    start = first(sample(0, [vm("a", "n1")]))
    seen = [start.view.sort]
    now = start
    for _ in SORTS:
        now = after(now, Key("s"))
        seen.append(now.view.sort)
    assert seen == [*SORTS, "name"]
    assert after(start, Key("r")).view.reverse and after(start, Key("q")).view.quit
    assert after(start, Key("x")) == start


def test_a_held_picture_stands_still_and_goes_on_with_fresh_rates() -> None:
    held = after(first(sample(0, [vm("a", "n1")])), Key(" "))
    later = after(held, sample(1, [vm("a", "n1", instructions=10**6)]))
    assert later.shown == held.shown and "HELD" in text(later)
    going = after(after(later, Key(" ")), sample(2, [vm("a", "n1", instructions=3 * 10**6)]))
    assert going.shown.vms[0]["instructions_per_s"] == 2e6


def test_a_controller_that_is_gone_is_said_until_it_answers_again() -> None:
    start = first(sample(0, [vm("a", "n1")]))
    lost = after(start, Unanswered(AT, "host:7400"))
    later = after(lost, Unanswered(AT + 60 * SECOND, "host:7400"))
    notice = "no controller answers at host:7400 since 22:13:20 UTC; waiting for it"
    assert notice in text(lost) and notice in text(later) and "a " in text(later), "what was known stays"
    assert notice not in text(after(later, sample(90, [vm("a", "n1")])))
