"""The metrics of a cluster of real processes, as `up` starts it: where they are, and that no death resets them."""

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.promtool import complaints
from tests.support.real_cluster import BOUND_S, ROOT, RealCluster

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

MIGRATIONS = "limosa_migration"


def page(address: str, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=BOUND_S) as answer:
        return str(answer.read().decode())


def parts(c: RealCluster) -> dict[str, str]:
    """The address of each part's metrics, as `limosa status` shows it."""
    status = c.limosa("status", "-o", "json").json()
    return {part["name"]: part["metrics"] for part in status["parts"] if part["metrics"]}


def counted(text: str) -> dict[tuple[str, str], float]:
    """All counters and histograms of migrations."""
    families = [f for f in text_string_to_metric_families(text) if f.type in ("counter", "histogram")]
    return {
        (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith(MIGRATIONS)
    }


def test_every_part_that_up_starts_has_metrics_that_promtool_finds_clean(c: RealCluster) -> None:
    c.start("a", "n1", "tick=100", "dirty=50")
    c.limosa("migrate", "a", "n2")
    addresses = parts(c)
    assert {"storage", "controller"} <= addresses.keys()
    for name, address in addresses.items():
        text = page(address)
        assert complaints(text) == "", name
        assert "limosa_build_info" in text and "limosa_grpc_server_handled_total" in text, name
    status = c.limosa("status", "-o", "json").json()
    assert (status["metrics"], status["storage_state"]) == (addresses["controller"], "reachable")
    table = c.limosa("status").out
    assert "METRICS" in table and addresses["storage"] in table and ", reachable" in table


def test_a_kill_of_the_controller_resets_no_counter_of_migrations(c: RealCluster) -> None:
    c.start("a", "n1", "tick=100", "dirty=50")
    c.limosa("migrate", "a", "n2")
    c.limosa("migrate", "a", "n1", "--algorithm", "stop-and-copy")
    records = c.limosa("jobs", "-o", "json").json()
    before = counted(page(parts(c)["controller"]))
    downtime = sum(value for (name, _), value in before.items() if name == f"{MIGRATIONS}_downtime_seconds_sum")
    assert downtime == pytest.approx(sum(record["downtime_ns"] for record in records) / 1e9)
    c.kill("controller")
    c.up(2)
    assert counted(page(parts(c)["controller"])) == before


def test_a_migration_can_be_followed_in_the_log_by_its_id(c: RealCluster) -> None:
    c.start("a", "n1", "tick=100")
    job = c.limosa("migrate", "a", "n2", "-o", "json").json()["id"]
    lines = [line for line in (c.state.logs / "controller.log").read_text().splitlines() if f"={job}" in line]
    names = [line.split("] ")[1].split()[0] for line in lines]
    assert names[:2] == ["migration.begun", "migration.prepared"]
    assert names[-4:] == ["migration.ready", "migration.committed", "migration.activated", "migration.released"]
    assert all("vm=a" in line and "service=controller" in line for line in lines)


@contextmanager
def controller(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m controller` by itself, with a storage that is not there."""
    (path / "token").write_text("token\n")
    given = ["--state", str(path), "--storage", "127.0.0.1:1", "--token-file", str(path / "token")]
    given += ["--address-file", str(path / "address"), "--metrics-address-file", str(path / "metrics")]
    command = [sys.executable, "-m", "controller", *given, "--log-format", "json", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_controller_without_its_storage_waits_says_so_and_serves(tmp_path: Path) -> None:
    with controller(tmp_path, "--metrics", "127.0.0.1:0") as process:
        assert process.stderr is not None
        events = []
        while not {"controller.ready", "storage.waiting"} <= {event["event"] for event in events}:
            events.append(json.loads(process.stderr.readline()))
        waiting = next(event for event in events if event["event"] == "storage.waiting")
        assert "127.0.0.1:1 does not answer (Connection refused)" in waiting["reason"]
        address, metrics = (tmp_path / "address").read_text().strip(), (tmp_path / "metrics").read_text().strip()
        assert "limosa_storage_reachable 0.0" in page(metrics)
        assert json.loads(page(metrics, "/discovery/nodes")) == []
        command = [sys.executable, "-m", "controller.cli.main", "status", "--controller", address]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, cwd=ROOT, check=True)
        assert "127.0.0.1:1, not reachable since" in shown.stdout and metrics in shown.stdout
        process.terminate()
        assert process.wait(BOUND_S) == 0


def test_a_metrics_port_that_is_taken_ends_a_service_as_a_taken_port_does(tmp_path: Path) -> None:
    files = ["--address-file", str(tmp_path / "address"), "--metrics-address-file", str(tmp_path / "metrics")]
    storage = [sys.executable, "-m", "storage", "--state", str(tmp_path), "--listen", "127.0.0.1:0", *files]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with controller(tmp_path, "--metrics", listen) as process:
            assert process.wait(BOUND_S) == 4
            assert process.stderr is not None
            said = [json.loads(line) for line in process.stderr.read().splitlines()]
        done = subprocess.run(
            [*storage, "--metrics", listen], capture_output=True, text=True, timeout=BOUND_S, cwd=ROOT, check=False
        )
    assert done.returncode == 1
    for sentence in (said[-1]["error"], done.stderr.splitlines()[-1]):
        assert f"cannot listen on {listen} for metrics: the port is in use" in sentence
    assert not (tmp_path / "address").exists() and not (tmp_path / "metrics").exists()


def test_a_taken_port_closes_the_metrics_that_were_open_already(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with controller(tmp_path, "--listen", listen, "--metrics", "127.0.0.1:0") as process:
            assert process.wait(BOUND_S) == 4
    assert not (tmp_path / "metrics").exists()
