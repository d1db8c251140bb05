"""The command line against a served controller with in-memory nodes: streams, exit statuses, where messages go."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.cli import main, state
from controller.cli.create import boot_kind
from controller.cli.demo import check_dirty, check_loop
from controller.cli.health import hurried
from controller.cli.main import app
from controller.errors import Internal, Usage
from tests.support.served_cluster import Served, served_cluster

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LIMOSA_STATE_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("NO_COLOR", "1")
    with served_cluster(tmp_path) as cluster:
        monkeypatch.setenv("LIMOSA_CONTROLLER", cluster.address)
        yield cluster


def test_a_vm_from_create_to_destroy(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["create", "a", "--append", "tick", "--node", "n1", "--start"]) == 0
    assert capsys.readouterr().out == "a\n"
    for verb, now in (("pause", "paused"), ("resume", "running"), ("stop", "stopped"), ("start", "running")):
        assert main.run([verb, "a", "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["state"] == now
    assert main.run(["list", "-q"]) == 0 and capsys.readouterr().out == "a\n"
    assert main.run(["destroy", "a"]) == 0
    ran = capsys.readouterr()
    assert ran.out == "" and "destroyed" in ran.err
    assert main.run(["list", "-o", "json"]) == 0 and json.loads(capsys.readouterr().out) == []


def test_jobs_shows_all_or_the_last_or_those_that_run(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["create", "a", "--node", "n1", "--start"])
    for node in ("n2", "n1"):
        assert main.run(["migrate", "a", node]) == 0
    shown = []
    for options in ([], ["--last", "1"], ["--running"]):
        capsys.readouterr()
        assert main.run(["jobs", "-q", *options]) == 0
        shown.append(capsys.readouterr().out.split())
    assert len(shown[0]) == 2 and shown[1:] == [shown[0][1:], []]


def test_the_processor_model_moves_with_the_vm(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["create", "a", "--cpu", "pentium3", "--node", "n1", "--start"]) == 0
    assert main.run(["migrate", "a", "n2"]) == 0
    capsys.readouterr()
    assert main.run(["list", "-o", "json"]) == 0
    vm = json.loads(capsys.readouterr().out)[0]
    assert (vm["node"], vm["cpu"]) == ("n2", "pentium3")


def test_migrate_shows_rounds_on_stderr_and_the_report_on_stdout(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    main.run(["create", "a", "--node", "n1", "--start"])
    capsys.readouterr()
    assert main.run(["migrate", "a", "n2", "--bandwidth", "500Mbit/s", "--max-downtime", "50ms", "-o", "json"]) == 0
    ran = capsys.readouterr()
    job = json.loads(ran.out)
    assert (job["bandwidth_bytes_per_s"], job["max_downtime_ns"], job["runs_on"]) == (62_500_000, 50_000_000, "n2")
    assert "a: round 1:" in ran.err  # a phase that lasted no longer than a look at it need not be seen
    assert main.run(["job", job["id"]]) == 0
    assert "downtime " in capsys.readouterr().out
    assert main.run(["events", "--after", "3", "-o", "json"]) == 0
    kinds = [event["kind"] for event in json.loads(capsys.readouterr().out)]
    assert "migration.committed" in kinds


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("refuse", 5, "it runs on n1"),
        ("unconverged", 7, "more --bandwidth"),
        ("lost", 8, "nobody can say"),
    ],
)
def test_each_end_of_a_migration_has_its_exit_status(
    served: Served, capsys: pytest.CaptureFixture[str], fault: str, status: int, words: str
) -> None:
    main.run(["create", "a", "--node", "n1", "--start"])
    if fault == "refuse":
        served.host("n2").fail("prepare_incoming")
    elif fault == "unconverged":
        served.host("n1").max_rounds = 1
    else:
        served.host("n1").fail("migrate_out")
        served.host("n1").fail("cancel_migration", times=10**6)
    capsys.readouterr()
    assert main.run(["migrate", "a", "n2"]) == status
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["info", "x"], 3),
        (["migrate", "x", "n2"], 3),
        (["cancel", "m-0"], 3),
        (["create", "A!"], 4),
        (["create", "b", "--memory", "9G"], 4),
        (["create", "b", "--memory", "much"], 2),
        (["create", "b", "--exit-port", "0x99999"], 2),
        (["create", "b", "--initrd", "x"], 2),
        (["create", "b", "--image", "i", "--kernel", "k"], 2),
        (["create", "b", "--kernel", "/no/such/file"], 2),
        (["migrate", "a", "n2", "--max-downtime", "soon"], 2),
        (["list", "-o", "csv"], 2),
        (["frobnicate"], 2),
        ([], 2),
        (["version"], 0),
    ],
)
def test_exit_statuses(served: Served, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int) -> None:
    assert main.run(arguments) == status
    ran = capsys.readouterr()
    assert bool(ran.out) is (status == 0)
    assert bool(ran.err) is (status != 0)


def test_without_a_controller_the_status_is_69_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMOSA_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("LIMOSA_CONTROLLER", raising=False)
    assert main.run(["list"]) == 69
    assert "limosa up" in capsys.readouterr().err
    assert main.run(["list", "--controller", "127.0.0.1:1"]) == 69


def test_a_health_check_says_in_words_and_status_whether_a_service_is_well(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in (["--address", served.address], [f"--address={served.address}"], ["--controller", served.address], []):
        assert main.run(["healthcheck", *form]) == hurried(["healthcheck", *form]) == 0
        assert capsys.readouterr() == ("", f"{served.address} is serving\n" * 2)
    for form in (["--address", "127.0.0.1:1"], ["--controller=127.0.0.1:1"]):
        assert main.run(["healthcheck", *form]) == hurried(["healthcheck", *form]) == 69
        assert capsys.readouterr() == ("", "limosa: nothing answers at 127.0.0.1:1\n" * 2)
    monkeypatch.delenv("LIMOSA_CONTROLLER")
    monkeypatch.setenv("LIMOSA_STATE_DIR", str(tmp_path / "none"))
    assert hurried(["healthcheck"]) == 69 and "limosa up" in capsys.readouterr().err
    for other in (["list"], ["healthcheck", "--help"], ["healthcheck", "--address"], ["--controller", "x:1", "list"]):
        assert hurried(other) is None, other


def test_a_health_check_imports_neither_the_commands_nor_protobuf() -> None:
    code = (
        "import sys; from controller.cli import entry; sys.argv[1:] = ['healthcheck', '--address', '127.0.0.1:1']\n"
        "try: entry.main()\nexcept SystemExit: pass\n"
        "print([m for m in ('typer', 'google.protobuf', 'controller.cli.main', 'protos', 'rich') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_boot_becomes_a_machine_without_importing_the_other_commands() -> None:
    code = (
        "import os, sys; from controller.cli import entry\n"
        "sys.argv[1:] = ['boot', '--append', 'tick --help']\n"
        "def told(program, arguments, environment): print(arguments[1:], environment['PYTHONPATH']); sys.exit()\n"
        "os.execve = told\n"
        "try: entry.main()\nexcept SystemExit: pass\n"
        "print([m for m in ('typer', 'pathlib', 'controller.cli.main', 'protos') if m in sys.modules])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    become, imported = ran.stdout.splitlines()
    assert become == f"['-m', 'node.foreground', '--append', 'tick --help'] {ROOT}"
    assert imported == "[]"


def test_the_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMOSA_STATE_DIR", str(tmp_path))
    directory = state.state_dir()
    directory.cluster.mkdir()
    directory.save(state.ClusterFile("id", {"controller": state.Part("controller", "controller", 1, 1, "file:1")}))
    monkeypatch.delenv("LIMOSA_CONTROLLER", raising=False)
    assert state.controller_address(None) == "file:1"
    monkeypatch.setenv("LIMOSA_CONTROLLER", "environment:1")
    assert state.controller_address(None) == "environment:1"
    assert state.controller_address("flag:1") == "flag:1"


def test_where_the_cluster_is_may_stand_before_every_command_and_the_commands_own_word_counts_first(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, nowhere = served.address, "127.0.0.1:1"
    monkeypatch.setenv("LIMOSA_CONTROLLER", nowhere)
    assert main.run(["list"]) == 69
    for command in (["list"], ["nodes"], ["jobs"], ["status"], ["events"], ["create", "a"], ["info", "a"]):
        assert main.run(["--controller", here, *command]) == 0, command
    assert main.run(["--controller", nowhere, "list", "--controller", here]) == 0
    assert main.run(["--controller", here, "list", "--controller", nowhere]) == 69
    capsys.readouterr()
    for command in ("up", "down", "demo", "boot"):
        assert main.run(["--controller", here, command]) == 2
        assert "this machine only" in capsys.readouterr().err


def test_every_command_teaches_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert f"limosa {name}" in (command.callback.__doc__ or "") or command.hidden, name


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys, controller.cli.main; "
        "print([m for m in ('grpc', 'numba', 'numpy', 'google.protobuf', 'yaml', 'sqlite3') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_console_on_a_terminal_is_raw_and_left_by_its_key(served: Served) -> None:
    main.run(["create", "a", "--node", "n1", "--start"])
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "controller.cli.entry", "console", "a"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, cwd=ROOT) as console:
        os.close(theirs)
        try:
            assert console.stderr is not None and b"Ctrl+] leaves" in console.stderr.readline()
            os.write(ours, b"hello\x03")
            deadline = time.monotonic() + 30
            while served.host("n1").vms["a"].typed != b"hello\x03":
                assert time.monotonic() < deadline, served.host("n1").vms["a"].typed
                time.sleep(0.02)
            os.write(ours, b"\x1d")
            _, errors = console.communicate(timeout=30)
            assert console.returncode == 0 and b"the VM runs on" in errors
            assert b"hello\x03" in os.read(ours, 1000)
        finally:
            console.kill()
            os.close(ours)


def test_what_a_kernel_file_is_can_be_read_from_its_header() -> None:
    multiboot = b"\x7fELF" + bytes(100) + (0x1BADB002).to_bytes(4, "little")
    assert boot_kind(multiboot, Path("k")) == "multiboot"
    assert boot_kind(bytes(0x202) + b"HdrS", Path("k")) == "linux"
    assert boot_kind(b"\x7fELF" + bytes(600), Path("k")) == "linux"
    with pytest.raises(Usage, match="no kernel"):
        boot_kind(b"#!/bin/sh\n", Path("k"))


def test_the_demonstration_believes_the_guest_only_if_nothing_is_wrong() -> None:
    line = "dirty: seq={} pages=10 written={} sweeps=1 errors={}\n"
    good = "".join(line.format(i, i * 5, 0) for i in (1, 2, 3)).encode()
    assert "3 status lines" in check_dirty(good)
    for bad in (b"", good + b"ERROR page=7 expected\n", good + line.format(5, 9, 0).encode(), good * 2):
        with pytest.raises(Internal):
            check_dirty(bad)
    with pytest.raises(Internal):
        check_dirty(line.format(1, 5, 2).encode())
    assert "3 lines" in check_loop(b"$ loop\nloop 1\r\nloop 2\r\nloop 3\r\nloo")
    for bad in (b"", b"loop 1\nloop 3\n", b"loop 1\nloop 1\n"):
        with pytest.raises(Internal):
            check_loop(bad)
