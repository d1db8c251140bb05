"""What Prometheus says of the cluster that the tests before this one have used, against the cluster's own records."""

import math
import time
from collections import defaultdict

import pytest

from controller.cli.session import Session
from tests.compose.project import Project, until
from tests.support.endurance import migrate
from tests.support.panel_queries import panel_queries, variables
from tests.support.prometheus import CONFIGURATION, Prometheus
from tests.support.promtool import complaints

pytestmark = [pytest.mark.system, pytest.mark.compose, pytest.mark.timeout(300)]

SCRAPED_S = 60.0
RATE_S = 20  # four scrapes of the committed configuration: what Grafana would make of $__rate_interval
METRICS_PORTS = {"controller": 9400, "storage": 9401, "node1": 9402}
HISTOGRAM = "limosa_migration_downtime_seconds"


@pytest.fixture(scope="module")
def prometheus(cluster: Project) -> Prometheus:
    """As it looks at all that this run has done."""
    return Prometheus(cluster.address("prometheus"), cluster.began)


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


def by(label: str, prometheus: Prometheus, query: str) -> dict[str, float]:
    """The values of a query, by a label that tells its series apart."""
    return {one["metric"].get(label, ""): float(one["value"][1]) for one in prometheus.query(query)}


def test_the_downtime_histogram_is_the_migrations_own_records(
    cluster: Project, prometheus: Prometheus, watched: None, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = downtimes(cluster)
    assert set(recorded) == {"pre-copy", "stop-and-copy"} and all(len(each) >= 6 for each in recorded.values())
    counts = {algorithm: len(each) for algorithm, each in recorded.items()}
    counted = f"sum by (algorithm) ({HISTOGRAM}_count)"
    until(lambda: by("algorithm", prometheus, counted) == counts, f"Prometheus has counted {counts}", SCRAPED_S)
    sums = by("algorithm", prometheus, f"sum by (algorithm) ({HISTOGRAM}_sum)")
    for algorithm, each in recorded.items():
        assert math.isclose(sums[algorithm], math.fsum(each), rel_tol=1e-9), algorithm
        buckets = by("le", prometheus, f'sum by (le) ({HISTOGRAM}_bucket{{algorithm="{algorithm}"}})')
        assert len(buckets) > 10
        for bound, number in buckets.items():
            assert number == sum(one <= float(bound) for one in each), f"{algorithm}, at most {bound} s"
    with capsys.disabled():
        for algorithm, each in recorded.items():
            print(f"\n{algorithm}: {len(each)} migrations, mean downtime {1e3 * sum(each) / len(each):.1f} ms", end="")
        print()


def test_all_that_run_are_scraped_and_nothing_else(prometheus: Prometheus) -> None:
    def targets() -> dict[str, str]:
        found = prometheus.get("targets")["activeTargets"]
        return {one["labels"].get("node", one["labels"]["job"]): one["health"] for one in found}

    expected = dict.fromkeys(("controller", "storage", "node1", "node2", "node3"), "up")
    until(lambda: targets() == expected, f"the targets are {expected}", SCRAPED_S)


def test_the_node_that_was_taken_away_is_seen_as_gone(prometheus: Prometheus) -> None:
    up = by("node", prometheus, "limosa_node_up")
    assert {name for name, value in up.items() if value == 1} == {"node1", "node2", "node3"}
    assert list(up.values()).count(0) == 1, up


def test_every_rule_is_loaded_and_none_is_broken(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    committed = "".join(path.read_text() for path in (CONFIGURATION / "rules").glob("*.yml"))
    assert len(rules) == committed.count("- alert:") + committed.count("- record:") > 0
    assert [rule for rule in rules if rule["health"] != "ok"] == []


def test_every_panel_of_every_dashboard_shows_data(cluster: Project, prometheus: Prometheus, watched: None) -> None:
    queries = panel_queries(variables(range_s=int(time.time() - cluster.began) + 1, rate_interval_s=RATE_S))
    assert len({query.dashboard for query in queries}) >= 4
    empty = [str(query) for query in queries if not prometheus.data_of(query)]
    assert not empty, "\n".join(empty)


@pytest.mark.parametrize("service", METRICS_PORTS)
def test_promtool_has_nothing_to_say_of_a_live_endpoint(cluster: Project, service: str) -> None:
    read = (
        "import sys, urllib.request as u; sys.stdout.buffer.write("
        f"u.urlopen('http://localhost:{METRICS_PORTS[service]}/metrics', timeout=10).read())"
    )
    text = cluster.within(service, "python", "-c", read).out
    assert "limosa_build_info" in text
    assert complaints(text) == ""
