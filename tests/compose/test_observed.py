"""What Prometheus says of the cluster that the tests before this one have used, against the cluster's own records."""

import json
import math
import shutil
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from controller.cli.session import Session
from tests.compose.project import ROOT, Project, until
from tests.compose.prometheus import Prometheus
from tests.support.endurance import migrate

pytestmark = [pytest.mark.system, pytest.mark.compose, pytest.mark.timeout(300)]

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
SCRAPED_S = 60.0
STEP_S = 5.0
TOLD_S = 3600.0  # how far back a panel looks: over all that this run has done
METRICS_PORTS = {"controller": 9400, "storage": 9401, "node1": 9402}
# What Grafana puts in the place of its variables when everything is chosen.
VARIABLES = {
    "$__rate_interval": "60s",
    "$__interval": "5s",
    "$__range": "600s",
    "$algorithm": ".+",
    "$node": ".+",
    "$vm": ".+",
}


@pytest.fixture(scope="module")
def prometheus(cluster: Project) -> Prometheus:
    return Prometheus(cluster.address("prometheus"))


@pytest.fixture(scope="module")
def watched(cluster: Project) -> None:
    """A migration of some twenty seconds: four scrapes see it under way, its guest writing as it goes."""
    words = "dirty rate=300 pages=5000"
    cluster.limosa("create", "muncher", "--append", words, "--memory", "48M", "--node", "node3", "--start")
    session = Session(cluster.address("controller"))
    try:
        row = migrate(session, "muncher", "node1", algorithm="pre-copy", bandwidth_bytes_per_s=2_500_000)
    finally:
        session.close()
    assert row["state"] == "succeeded" and len(row["rounds"]) >= 3


def downtimes(cluster: Project) -> dict[str, list[float]]:
    """In seconds, by algorithm, as the journal has them."""
    found = defaultdict(list)
    for job in cluster.limosa("jobs", "-o", "json").json():
        if job["state"] == "succeeded":
            found[job["algorithm"]].append(job["downtime_ns"] / 1e9)
    return dict(found)


def test_the_downtime_histogram_is_the_migrations_own_records(
    cluster: Project, prometheus: Prometheus, watched: None, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = downtimes(cluster)
    assert set(recorded) == {"pre-copy", "stop-and-copy"} and all(len(each) >= 6 for each in recorded.values())
    counts = {algorithm: len(each) for algorithm, each in recorded.items()}
    histogram = "limosa_migration_downtime_seconds"

    def counted() -> dict[str, float]:
        return prometheus.by("algorithm", f"sum by (algorithm) ({histogram}_count)")

    until(lambda: counted() == counts, f"Prometheus has counted {counts}", SCRAPED_S)
    sums = prometheus.by("algorithm", f"sum by (algorithm) ({histogram}_sum)")
    for algorithm, each in recorded.items():
        assert math.isclose(sums[algorithm], math.fsum(each), rel_tol=1e-9), algorithm
        buckets = prometheus.by("le", f'sum by (le) ({histogram}_bucket{{algorithm="{algorithm}"}})')
        for bound, number in buckets.items():
            assert number == sum(one <= float(bound) for one in each), f"{algorithm}, at most {bound} s"
    with capsys.disabled():
        for algorithm, each in recorded.items():
            print(f"\n{algorithm}: {len(each)} migrations, mean downtime {1e3 * sum(each) / len(each):.1f} ms", end="")
        print()


def test_all_that_run_are_scraped_and_nothing_else(cluster: Project, prometheus: Prometheus) -> None:
    def targets() -> dict[str, str]:
        found = prometheus.targets()
        return {one["labels"].get("node", one["labels"]["job"]): one["health"] for one in found}

    expected = dict.fromkeys(("controller", "storage", "node1", "node2", "node3"), "up")
    until(lambda: targets() == expected, f"the targets are {expected}", SCRAPED_S)


def test_the_node_that_was_taken_away_is_seen_as_gone(prometheus: Prometheus) -> None:
    up = prometheus.by("node", "limosa_node_up")
    assert {name for name, value in up.items() if value == 1} == {"node1", "node2", "node3"}
    assert list(up.values()).count(0) == 1, up


def test_no_rule_is_broken(prometheus: Prometheus) -> None:
    rules = prometheus.rules()
    assert rules, "no rules are loaded"
    assert [rule for rule in rules if rule["health"] != "ok"] == []


def panels() -> list[Any]:
    """Every query of every panel: one parameter each."""
    found = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            found += [
                pytest.param(target["expr"], id=f"{path.stem}: {panel['title']}: {target['refId']}")
                for inner in [panel, *panel.get("panels", [])]
                for target in inner.get("targets", [])
            ]
    return found


@pytest.mark.parametrize("query", panels())
def test_a_panel_shows_data(prometheus: Prometheus, watched: None, query: str) -> None:
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    assert "$" not in query, "a variable of Grafana that this test does not know"
    now = time.time()
    series = prometheus.over_time(query, start=now - TOLD_S, end=now, step=STEP_S)
    values = [float(value) for one in series for _, value in one["values"]]
    assert any(not math.isnan(value) for value in values), f"no data: {query}"


def test_there_are_dashboards() -> None:
    assert len(DASHBOARDS) >= 4


@pytest.mark.parametrize("service", METRICS_PORTS)
def test_promtool_has_nothing_to_say_of_a_live_endpoint(cluster: Project, service: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool comes with Debian's package prometheus"
    read = (
        "import sys, urllib.request as u; sys.stdout.buffer.write("
        f"u.urlopen('http://localhost:{METRICS_PORTS[service]}/metrics', timeout=10).read())"
    )
    text = cluster.compose("exec", "-T", service, "python", "-c", read).out
    assert "limosa_build_info" in text
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
