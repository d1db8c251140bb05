"""Every query of the committed dashboards, with Grafana's variables replaced, ready for Prometheus's HTTP API.

What Grafana would ask is read from the JSON that Grafana loads, not from the generator. A test against a real
Prometheus says which values the variables have, and asks

    instant queries    /api/v1/query        now (stats and tables)
    range queries      /api/v1/query_range  over the time in which the cluster did something
    variable queries   /api/v1/label/LABEL/values?match[]=METRIC

No answer may be empty: see `tests/support/prometheus.py`, whose `data_of` and `values_of` do that.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
ALL = ".+"  # what Grafana puts in for "All": the variables' allValue
LABEL_VALUES = re.compile(r"label_values\((?P<metric>[\w:]+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query of one panel."""

    dashboard: str
    panel: str
    ref: str
    expr: str
    legend: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel} / {self.ref}: {self.expr}"


@dataclass(frozen=True, slots=True)
class VariableQuery:
    """What fills one of a dashboard's variables."""

    dashboard: str
    name: str
    metric: str
    label: str


def variables(*, range_s: int, rate_interval_s: int, **chosen: str) -> dict[str, str]:
    """Grafana's own variables and the dashboards': all of each, unless `chosen` says otherwise (vm="a|b").

    The rate interval must be four scrapes or more, as Grafana's is; the range must reach back to the first of what the
    test did.
    """
    own = {"__range": f"{range_s}s", "__rate_interval": f"{rate_interval_s}s", "__interval": f"{rate_interval_s}s"}
    return own | dict.fromkeys(("node", "vm", "algorithm"), ALL) | chosen


def panel_queries(values: Mapping[str, str]) -> list[PanelQuery]:
    """All of all dashboards."""
    return [
        PanelQuery(
            dashboard=dashboard["title"],
            panel=panel["title"],
            ref=target["refId"],
            expr=replaced(target["expr"], values),
            legend=target.get("legendFormat", ""),
            instant=bool(target.get("instant")),
        )
        for dashboard in dashboards()
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]


def variable_queries() -> list[VariableQuery]:
    """How the dashboards' variables get their values."""
    found = []
    for dashboard in dashboards():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                match = LABEL_VALUES.fullmatch(variable["query"])
                assert match is not None, f"{variable['query']!r} is no label_values(METRIC, LABEL)"
                found.append(VariableQuery(dashboard["title"], variable["name"], match["metric"], match["label"]))
    return found


def dashboards() -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]


def replaced(expr: str, values: Mapping[str, str]) -> str:
    """`$name` and `${name}` by their values; one that has none is an error."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values[match[1]], expr)
