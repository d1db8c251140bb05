"""The committed Prometheus files, judged by Prometheus's own tool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus import BOUND_S, CONFIGURATION, CONTROLLER, STORAGE, configured, installed

RULES = sorted((CONFIGURATION / "rules").glob("*.yml"))
TESTS = sorted((CONFIGURATION / "tests").glob("*.yml"))


def promtool(*arguments: str) -> str:
    """What it said; it must have been content."""
    command = [installed("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[Any]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def test_promtool_takes_the_configuration_and_the_rules_that_it_names() -> None:
    said = promtool("check", "config", str(CONFIGURATION / "prometheus.yml"))
    assert f"{len(RULES)} rule files found" in said


def test_promtool_finds_nothing_to_lint_in_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))


def test_the_rules_do_what_their_tests_say() -> None:
    promtool("test", "rules", *map(str, TESTS))


def test_every_alert_is_tested_firing_and_every_recording_rule_by_a_value() -> None:
    tests = [test for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]]
    checks = [check for test in tests for check in test["promql_expr_test"]]
    expected = " ".join(str(sample) for check in checks for sample in check["exp_samples"])
    for alert in ALERTS:
        assert f'alertname="{alert["alert"]}",alertstate="firing"' in expected, alert["alert"]
    valued = " ".join(check["expr"] for check in checks if check["exp_samples"])
    for rule in rules():
        assert "alert" in rule or rule["record"] in valued, rule["record"]


@pytest.mark.parametrize(
    "test", [t for p in TESTS for t in yaml.safe_load(p.read_text())["tests"]], ids=lambda t: t["name"]
)
def test_every_test_of_alerts_knows_a_moment_of_silence(test: Any) -> None:
    if any("ALERTS" in check["expr"] for check in test["promql_expr_test"]):
        assert any(not check["exp_samples"] for check in test["promql_expr_test"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_what_happened_what_it_means_and_what_to_do(alert: Any) -> None:
    assert alert["alert"].startswith("Limosa")
    assert alert["labels"]["severity"] in ("warning", "critical")
    for name in ("summary", "description", "action"):
        assert alert["annotations"][name].rstrip().endswith("."), f"{name} is no sentence"


def test_recording_rules_are_named_level_metric_operation() -> None:
    for rule in rules():
        if "record" in rule:
            level, metric, operation = rule["record"].split(":")
            assert all(re.search(rf"by \([^)]*\b{label}\b", rule["expr"]) for label in level.split("_")), rule["record"]
            assert metric.startswith("limosa_") and operation


def test_the_configuration_can_be_turned_to_another_cluster(tmp_path: Path) -> None:
    path = configured(tmp_path / "prometheus", controller="127.0.0.1:1234", storage="127.0.0.1:1235")
    text = path.read_text()
    settings = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert CONTROLLER not in settings and STORAGE not in settings
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    assert jobs["nodes"]["http_sd_configs"][0]["url"] == "http://127.0.0.1:1234/discovery/nodes"
    promtool("check", "config", str(path))
