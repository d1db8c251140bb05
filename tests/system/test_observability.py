"""A real Prometheus watches real processes: what the committed panels, rules and alerts ask for, it has.

One cluster of twin machines lives through everything that the dashboards tell of: migrations by both algorithms, one
that does not converge while it is looked at, one whose target is killed.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser
import pytest
import yaml

from tests.support.panel_queries import PanelQuery, panel_queries, variable_queries, variables
from tests.support.prometheus import CONFIGURATION, RATE_S, Prometheus, real_prometheus
from tests.support.promql import labels_of
from tests.support.real_cluster import RealCluster, real_cluster

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.timeout(180)]

BUSY = ("tick=500", "dirty=1", "pages=300", "rate=4000")
SLOW = ("--bandwidth", "500kB/s", "--max-downtime", "1ms")  # three rounds of two seconds and more
LIVE = 'limosa_migration_dirty_bytes_per_second{vm="busy"}'
RULES = [
    rule
    for path in sorted((CONFIGURATION / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]


@dataclass(frozen=True, slots=True)
class Watched:
    """The cluster after all of it, and the Prometheus that saw it."""

    cluster: RealCluster
    prometheus: Prometheus

    @property
    def queries(self) -> list[PanelQuery]:
        """Over all of its life until now."""
        age_s = int(time.time() - self.prometheus.began) + 1
        return panel_queries(variables(range_s=age_s, rate_interval_s=RATE_S))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    path = tmp_path_factory.mktemp("watched")
    with real_cluster(path, nodes=3) as c:
        controller, storage = c.part("controller").metrics, c.part("storage").metrics
        with real_prometheus(path / "prometheus", controller=controller, storage=storage) as p:
            p.until(lambda: p.query("count(up == 1) == 5"), "all five processes are scraped")
            _live_through(c, p)
            yield Watched(c, p)


def _live_through(c: RealCluster, p: Prometheus) -> None:
    c.start("calm", "n1", "tick=100", "dirty=50")
    c.start("busy", "n1", *BUSY)
    p.until(lambda: p.query('limosa_vm_instructions_total{vm="calm"}'), "the machines are seen")
    c.limosa("migrate", "calm", "n2", "--algorithm", "pre-copy")
    c.limosa("migrate", "calm", "n1", "--algorithm", "stop-and-copy", "--max-downtime", "1ms")
    job = c.limosa("migrate", "busy", "n2", *SLOW, "--detach").out.strip()
    p.until(lambda: p.query(LIVE), "the running migration is seen, its first round over")
    c.limosa("job", job, "wait", status=7)
    job = c.limosa("migrate", "busy", "n3", *SLOW, "--detach").out.strip()
    c.until(lambda: c.job(job)["phase"] == "active")
    c.kill("n3")
    c.limosa("job", job, "wait", status=5)
    p.until(lambda: p.query('limosa_migrations_total{result="failed"} == 1'), "the failed migration is counted")
    p.until(lambda: p.query('limosa_node_up{node="n3"} == 0'), "the killed node is missed")
    time.sleep(2 * RATE_S)  # so that there is a rate over what came after


def test_every_panel_has_data(watched: Watched) -> None:
    empty = [str(query) for query in watched.queries if not watched.prometheus.data_of(query)]
    assert not empty, "\n".join(empty)


def test_every_variable_offers_what_is_there(watched: Watched) -> None:
    there = {"vm": {"calm", "busy"}, "node": {"n1", "n2", "n3"}, "algorithm": {"pre-copy", "stop-and-copy"}}
    for variable in variable_queries():
        offered = watched.prometheus.values_of(variable.metric, variable.label)
        assert set(offered) >= there[variable.name], variable


def test_every_metric_and_label_that_is_named_is_exposed(watched: Watched) -> None:
    exposed = watched.prometheus.exposed()
    for query in watched.queries:
        labels = labels_of(promql_parser.parse(query.expr), exposed)
        shown = set(re.findall(r"{{(\w+)}}", query.legend))
        assert labels is not None and shown <= labels, f"{query}: the legend wants {shown}, there are {labels}"
    for rule in RULES:
        labels = labels_of(promql_parser.parse(rule["expr"]), exposed)
        told = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations"))))
        assert labels is not None and told <= labels, f"{rule}: there are {labels}"


def test_every_rule_is_evaluated_and_every_recording_has_a_value(watched: Watched) -> None:
    loaded = [rule for group in watched.prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(loaded) == len(RULES)
    assert [rule for rule in loaded if rule["health"] != "ok"] == []
    for rule in RULES:
        if "record" in rule:
            assert watched.prometheus.query(f"last_over_time({rule['record']}[5m])"), rule["record"]


def test_the_alerts_tell_of_what_happened_and_of_nothing_else(watched: Watched) -> None:
    alerts = {alert["labels"]["alertname"]: alert for alert in watched.prometheus.get("alerts")["alerts"]}
    assert set(alerts) - {"LimosaTargetDown"} == {
        "LimosaMigrationFailed",
        "LimosaMigrationUnconverged",
        "LimosaDowntimeOverLimit",
        "LimosaNodeDown",
    }
    assert alerts["LimosaNodeDown"]["labels"]["node"] == "n3"
    for alert in alerts.values():
        said = " ".join(alert["annotations"].values())
        assert "no value" not in said and "{{" not in said, said


def test_prometheus_counts_what_the_migrations_own_records_say(watched: Watched) -> None:
    jobs = watched.cluster.limosa("jobs", "-o", "json").json()
    for algorithm in ("pre-copy", "stop-and-copy"):
        records = [job for job in jobs if job["algorithm"] == algorithm]
        good = [record for record in records if record["state"] == "succeeded"]
        assert good, algorithm
        assert _value(watched, f'limosa_migration_downtime_seconds_count{{algorithm="{algorithm}"}}') == len(good)
        assert _value(watched, f'limosa_migration_downtime_seconds_sum{{algorithm="{algorithm}"}}') == pytest.approx(
            sum(record["downtime_ns"] for record in good) / 1e9
        )
        parts = f'sum(limosa_migration_downtime_part_seconds_total{{algorithm="{algorithm}"}})'
        assert _value(watched, parts) == pytest.approx(sum(record["downtime_ns"] for record in good) / 1e9)
        for result in ("succeeded", "failed", "unconverged"):
            counted = _value(watched, f'limosa_migrations_total{{algorithm="{algorithm}",result="{result}"}}')
            assert counted == sum(record["state"] == result for record in records)


def _value(watched: Watched, expr: str) -> float:
    (found,) = watched.prometheus.query(expr)
    number: Any = found["value"][1]
    return float(number)
