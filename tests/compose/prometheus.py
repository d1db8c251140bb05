"""Prometheus's HTTP API, as far as the tests ask it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

ANSWER_S = 30.0


class QueryFailed(AssertionError):
    """Prometheus refused a query; the text is its own."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One server. An answer is the list of its series."""

    address: str

    def instant(self, query: str) -> Any:
        """Each series: `metric` (the labels) and `value` (time, text)."""
        return self._ask("query", query=query)["result"]

    def over_time(self, query: str, *, start: float, end: float, step: float) -> Any:
        """Each series: `metric` and `values`."""
        return self._ask("query_range", query=query, start=start, end=end, step=step)["result"]

    def value(self, query: str) -> float | None:
        """Of a query with one series; None if there is none."""
        series = self.instant(query)
        assert len(series) <= 1, f"{query} has {len(series)} series"
        return float(series[0]["value"][1]) if series else None

    def by(self, label: str, query: str) -> dict[str, float]:
        """The values of a query, by a label that tells its series apart."""
        return {one["metric"].get(label, ""): float(one["value"][1]) for one in self.instant(query)}

    def rules(self) -> Any:
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> Any:
        return self._ask("targets")["activeTargets"]

    def _ask(self, what: str, **parameters: Any) -> Any:
        data = urllib.parse.urlencode(parameters).encode() if parameters else None
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{what}", data, timeout=ANSWER_S) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryFailed(f"{parameters.get('query', what)}: {error.read().decode()}") from None
