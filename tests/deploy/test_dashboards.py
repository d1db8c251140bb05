"""The committed dashboards: generated, complete, and as Grafana's own dashboard linter would have them.

Its rules on `job` and `instance` variables are not followed: those labels are Prometheus's; a user of Limosa chooses
nodes, VMs and algorithms. deploy/grafana/dashboards/.lint tells the linter so.
"""

import re
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.models import units

from deploy.grafana.generate import BOARDS, DIRECTORY, path_of, rendered
from tests.support.panel_queries import ALL, dashboards, panel_queries, variable_queries, variables

VALUES = variables(range_s=3600, rate_interval_s=20)
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
DASHBOARDS = dashboards()
PANELS = [panel for dashboard in DASHBOARDS for panel in dashboard["panels"] if panel["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard["title"])
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def calls(expr: str) -> list[tuple[str, str]]:
    """The functions that take a range, and their ranges, as written."""
    return re.findall(r"(\w+)\([^()\[\]]*\[([^\]]+)\]", expr)


def test_the_committed_dashboards_are_what_the_generator_makes() -> None:
    assert sorted(DIRECTORY.glob("*.json")) == sorted(path_of(board) for board in BOARDS)
    for board in BOARDS:
        assert path_of(board).read_text() == rendered(board), f"{path_of(board).name} is stale: run `make dashboards`"


@each_dashboard
def test_a_dashboard_is_found_again_and_not_edited_in_place(dashboard: Any) -> None:
    assert dashboard["uid"].startswith("limosa-") and len(dashboard["uid"]) <= 40
    assert dashboard["description"] and not dashboard["editable"]
    assert dashboard["schemaVersion"] in (41, 42)
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


@each_dashboard
def test_a_dashboard_has_the_variables_that_its_queries_use_and_no_others(dashboard: Any) -> None:
    listed = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", str(dashboard["panels"]))) - {"__range", "__rate_interval"}
    assert used == set(listed)
    source = listed.pop("datasource")
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")
    for variable in listed.values():
        assert variable["includeAll"] and variable["multi"] and variable["allValue"] == ALL
        assert variable["refresh"] == 2, "values must be asked for again when the time range changes"
        assert variable["datasource"] == SOURCE and variable["label"]


@each_dashboard
def test_the_panels_of_a_dashboard_fill_its_rows(dashboard: Any) -> None:
    lines: dict[int, int] = {}
    for panel in dashboard["panels"]:
        lines[panel["gridPos"]["y"]] = lines.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(lines.values()) == {24}


@each_panel
def test_a_panel_says_what_it_shows_in_which_unit(panel: Any) -> None:
    assert panel["title"] and panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    for override in panel["fieldConfig"]["overrides"]:
        assert all(entry["value"] in UNITS for entry in override["properties"] if entry["id"] == "unit")
    assert panel["datasource"] == SOURCE and panel["targets"]
    assert all(target["datasource"] == SOURCE for target in panel["targets"])


@each_panel
def test_rates_are_taken_over_the_rate_interval(panel: Any) -> None:
    for target in panel["targets"]:
        for function, window in calls(target["expr"]):
            assert window == "$__rate_interval" or (function == "increase" and window == "$__range"), target["expr"]


@each_panel
def test_counters_are_shown_by_how_they_grow(panel: Any) -> None:
    for target in panel["targets"]:
        grown = re.findall(r"(?:rate|increase)\((\w+)[^()]*\[", target["expr"])
        for name in re.findall(r"\b(?:limosa|process)_\w+_(?:total|bucket)\b", target["expr"]):
            assert name in grown, f"{name} of {panel['title']}"


def test_every_query_is_promql() -> None:
    queries = panel_queries(VALUES)
    assert len(queries) > 50
    for query in queries:
        assert promql_parser.parse(query.expr), query
        assert "$" not in query.expr, query


def test_every_variable_is_asked_of_a_metric_with_that_label() -> None:
    assert {query.name for query in variable_queries()} == {"algorithm", "vm", "node"}


def test_a_heat_map_is_made_of_a_histograms_buckets() -> None:
    maps = [panel for panel in PANELS if panel["type"] == "heatmap"]
    assert "Downtime, all chosen algorithms" in {panel["title"] for panel in maps}
    for panel in maps:
        (target,) = panel["targets"]
        assert target["format"] == "heatmap" and "sum by (le)" in target["expr"] and "_bucket" in target["expr"]
        assert not panel["options"]["calculate"]


def test_grafana_is_provisioned_with_the_data_source_that_the_dashboards_choose() -> None:
    provisioning = DIRECTORY.parent / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    chosen = {dashboard["templating"]["list"][0]["current"]["value"] for dashboard in DASHBOARDS}
    assert chosen == {source["uid"]} == {"prometheus"}
    scraped = yaml.safe_load((DIRECTORY.parents[1] / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraped["scrape_interval"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "limosa.yml").read_text())["providers"]
    assert provider["type"] == "file" and not provider["allowUiUpdates"]
