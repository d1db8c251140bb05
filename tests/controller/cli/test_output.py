"""What users and scripts see, against golden files: every format of every kind of row has the same keys.

`LIMOSA_UPDATE_GOLDEN=1 pytest tests/controller/cli/test_output.py` writes the files anew; look at the difference then.
"""

import json
from collections.abc import Callable

import pytest
import yaml

from controller.cli import image as image_commands
from controller.cli import look, migrate, vm
from controller.cli import nodes as node_commands
from controller.cli.demo import explain
from controller.cli.output import Column, Format, emit_list, facts, table
from controller.cli.progress import Lines, LiveTable, frame
from controller.cli.report import report, round_line, side_by_side, verdict
from controller.cli.schema import Row, event_row, image_row, job_row, node_row, vm_row
from protos import common_pb2, controller_pb2, storage_pb2
from tests.support.golden import compare

AT = 1_700_000_000_123_000_000


def vms() -> list[Row]:
    spec = common_pb2.VmSpec(name="web", memory_bytes=64 << 20, vmm="native", clock="real")
    spec.boot.multiboot.command_line = "dirty rate=2000 pages=4000"
    running = controller_pb2.Vm(
        spec=spec, state=common_pb2.VM_STATE_RUNNING, node="n1", image="built-in", instructions=12_345_678,
        guest_time_ns=3_210_000_000, console_bytes=812, pid=4242, created_unix_ns=AT, migrations=2,
        create_to_first_instruction_ns=41_000_000, job="m-1",
    )  # fmt: skip
    other = common_pb2.VmSpec(name="deb", memory_bytes=128 << 20, vmm="native", clock="virtual", exit_port=0xF4)
    other.boot.linux.command_line = "console=ttyS0"
    lost = controller_pb2.Vm(spec=other, node="n2", reason="node n2 does not answer", created_unix_ns=AT)
    return [vm_row(running), vm_row(lost)]


def pre_copy() -> Row:
    record = common_pb2.MigrationRecord(
        migration_id="m-1", vm="web", source="n1", target="n2", phase="ended", result="succeeded", runs_on="n2",
        options=common_pb2.MigrationOptions(algorithm="pre-copy", max_downtime_ns=300_000_000),
        rounds=[
            common_pb2.Round(
                number=1, pages_normal=4100, pages_zero=12284, bytes_sent=16_900_000, duration_ns=120_000_000,
                dirty_pages_after=240, dirty_pages_per_s=2000.0, bytes_per_s=140_833_333.0,
                predicted_downtime_ns=9_000_000, verdict="continue", reason="240 pages are dirty",
            ),
            common_pb2.Round(
                number=2, pages_normal=240, bytes_sent=990_000, duration_ns=8_000_000, dirty_pages_after=16,
                dirty_pages_per_s=2000.0, bytes_per_s=123_750_000.0, predicted_downtime_ns=600_000,
                verdict="stop-and-copy", reason="16 pages are dirty: within the 300.0 ms allowed",
            ),
            common_pb2.Round(
                number=3, pages_normal=16, bytes_sent=70_000, duration_ns=700_000, bytes_per_s=100_000_000.0,
                verdict="stop-and-copy", reason="the last round: the guest stood still",
            ),
        ],
        downtime_parts=[
            common_pb2.DowntimePart(name=name, duration_ns=ns)
            for name, ns in {
                "stop": 110_000, "last_pages": 700_000, "state": 90_000, "transfer": 60_000, "load": 50_000,
                "verify": 5_200_000, "commit": 1_400_000, "resume": 2_100_000,
            }.items()
        ],
        downtime_ns=9_710_000, total_ns=150_000_000, setup_ns=2_000_000, bytes_sent=17_960_000, pages_normal=4356,
        pages_zero=12284, digest="2cc13eb92ef3d6a6", started_unix_ns=AT, ended_unix_ns=AT + 160_000_000,
    )  # fmt: skip
    return job_row(controller_pb2.Job(id="m-1", state="succeeded", migration=record))


def stop_and_copy() -> Row:
    record = common_pb2.MigrationRecord(
        migration_id="m-2", vm="web", source="n2", target="n1", phase="ended", result="succeeded", runs_on="n1",
        options=common_pb2.MigrationOptions(algorithm="stop-and-copy", max_downtime_ns=300_000_000),
        downtime_parts=[
            common_pb2.DowntimePart(name="last_pages", duration_ns=118_000_000),
            common_pb2.DowntimePart(name="resume", duration_ns=2_000_000),
        ],
        downtime_ns=120_000_000, total_ns=130_000_000, setup_ns=2_000_000, bytes_sent=16_950_000, pages_normal=4101,
        pages_zero=12283, digest="9f", started_unix_ns=AT, ended_unix_ns=AT + 130_000_000,
    )  # fmt: skip
    return job_row(controller_pb2.Job(id="m-2", state="succeeded", migration=record))


def cancelled() -> Row:
    record = common_pb2.MigrationRecord(
        migration_id="m-3", vm="web", source="n1", target="n2", phase="ended", result="cancelled", runs_on="n1",
        error="cancelled by request", options=common_pb2.MigrationOptions(algorithm="pre-copy"), started_unix_ns=AT,
    )  # fmt: skip
    return job_row(controller_pb2.Job(id="m-3", state="cancelled", migration=record))


def running() -> Row:
    job = pre_copy() | {"state": "running", "phase": "active", "pages_remaining": 16, "error": ""}
    job["rounds"] = job["rounds"][:2]
    job["rounds"][1]["dirty_pages_per_s"] = 40_000.0
    return job


def nodes() -> list[Row]:
    node = controller_pb2.Node(
        name="n1", address="127.0.0.1:4001", state="ready", memory_bytes=4 << 30, cpus=2, vms=1, joined_unix_ns=AT,
        version="0.1.0", metrics_address="127.0.0.1:9001",
    )  # fmt: skip
    return [node_row(node), node_row(controller_pb2.Node(name="n2", address="127.0.0.1:4002", state="gone"))]


def events() -> list[Row]:
    begun = controller_pb2.Event(
        sequence=7, unix_ns=AT, kind="migration.begun", vm="web", node="n1", job="m-1", text="to n2"
    )
    return [event_row(begun), event_row(controller_pb2.Event(sequence=8, unix_ns=AT, kind="node.gone", node="n2"))]


def images() -> list[Row]:
    image = storage_pb2.Image(name="debian-12", description="Debian 12, 686 kernel", memory_bytes_min=64 << 20)
    image.boot.linux.kernel.digest, image.boot.linux.kernel.size_bytes = "sha256:aa", 5_000_000
    image.boot.linux.initrd.digest, image.boot.linux.initrd.size_bytes = "sha256:bb", 1_000_000
    image.boot.linux.command_line = "console=ttyS0"
    return [image_row(image)]


LISTS = {
    "vms": (vms, vm.COLUMNS, "name"),
    "jobs": (lambda: [pre_copy(), stop_and_copy(), cancelled()], migrate.COLUMNS, "id"),
    "nodes": (nodes, node_commands.COLUMNS, "name"),
    "events": (events, look.EVENTS, "sequence"),
    "images": (images, image_commands.COLUMNS, "name"),
}
TEXTS: dict[str, Callable[[], str]] = {
    "info": lambda: facts(vm._facts(vms()[0])),
    "report": lambda: report(pre_copy()),
    "report-cancelled": lambda: report(cancelled()),
    "verdicts": lambda: "\n".join(map(verdict, (pre_copy(), cancelled(), running()))),
    "round-lines": lambda: "\n".join(map(round_line, pre_copy()["rounds"])),
    "live": lambda: frame(running()),
    "side-by-side": lambda: side_by_side([pre_copy(), stop_and_copy()]) + "\n\n" + explain(pre_copy(), stop_and_copy()),
}


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_list_is_printed_as_ever(name: str, form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    make, columns, key = LISTS[name]
    emit_list(make(), columns, form, name=key)
    compare(f"{name}.{form}", capsys.readouterr().out)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_text_is_printed_as_ever(name: str) -> None:
    compare(f"{name}.txt", TEXTS[name]() + "\n")


@pytest.mark.parametrize("name", sorted(LISTS))
def test_json_and_yaml_say_the_same_and_an_empty_list_is_a_list(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, columns, _ = LISTS[name]
    emit_list(make(), columns, Format.JSON)
    from_json = json.loads(capsys.readouterr().out)
    emit_list(make(), columns, Format.YAML)
    assert yaml.safe_load(capsys.readouterr().out) == from_json and isinstance(from_json, list)
    emit_list([], columns, Format.JSON)
    assert json.loads(capsys.readouterr().out) == []


def test_a_table_of_nothing_is_its_headings() -> None:
    assert table([], [Column("A", "a"), Column("B", "b")]) == "A  B"


def test_the_live_table_draws_every_state_and_leaves_the_terminal_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTable() as live:
        for job in (cancelled(), running(), pre_copy()):
            live.update(job)
    assert capsys.readouterr().out == "", "drawn on stderr: stdout is for the report"


def test_without_a_terminal_each_round_is_one_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        for _ in range(3):
            lines.update(running())
    ran = capsys.readouterr()
    assert ran.out == "" and ran.err.count("round 1:") == 1 and ran.err.count("round 2:") == 1
    assert ran.err.splitlines()[-1] == "web: active"
