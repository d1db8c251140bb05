"""A real Prometheus that scrapes a real cluster with the committed configuration.

The configuration names the containers of docker-compose.yml. Here the two addresses are replaced by those of the
cluster's processes, as the README tells a user to, and every interval of 5 s by one of 1 s, so that a test need not
wait for minutes; rules and service discovery are what they are.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.support.panel_queries import PanelQuery
from tests.support.promql import Exposed

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
CONTROLLER, STORAGE = "controller:9400", "storage:9401"
SCRAPE_S = 1
RATE_S = 4 * SCRAPE_S  # what Grafana would make of $__rate_interval
BOUND_S = 30.0
LISTENING = re.compile(r'msg="Listening on" address=(\S+)')


def installed(program: str) -> str:
    """The path of `prometheus` or `promtool`. CI must have them; elsewhere a test that wants them is skipped."""
    path = shutil.which(program)
    if path is None:
        missing = f"{program} is not installed: it comes with Debian's package `prometheus`"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return path


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that answers; `began` is when it was started."""

    address: str
    began: float

    def get(self, path: str, **parameters: str | list[str]) -> Any:
        """The `data` of an answer of its HTTP API."""
        url = f"http://{self.address}/api/v1/{path}?{urlencode(parameters, doseq=True)}"
        with urlopen(url, timeout=BOUND_S) as answer:
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]

    def query(self, expr: str) -> list[Any]:
        """An instant query; each element has `metric` and `value`."""
        found: list[Any] = self.get("query", query=expr)["result"]
        return found

    def data_of(self, query: PanelQuery) -> list[float]:
        """All numbers that a panel's query returns, NaN left out: as Grafana shows them, over all of our time."""
        if query.instant:
            series = [[entry["value"]] for entry in self.query(query.expr)]
        else:
            window = {"start": str(self.began), "end": str(time.time()), "step": str(SCRAPE_S)}
            series = [entry["values"] for entry in self.get("query_range", query=query.expr, **window)["result"]]
        return [float(value) for points in series for _, value in points if value != "NaN"]

    def values_of(self, metric: str, label: str) -> list[str]:
        """What a dashboard's variable offers."""
        found: list[str] = self.get(f"label/{label}/values", **{"match[]": metric})
        return found

    def exposed(self) -> Exposed:
        """Every metric that was ever there, with the labels of its series."""
        found: dict[str, frozenset[str]] = {}
        for series in self.get("series", **{"match[]": '{__name__=~".+"}', "start": str(self.began)}):
            name = series.pop("__name__")
            found[name] = found.get(name, frozenset()) | frozenset(series)
        return found

    def alerts(self) -> set[str]:
        """The names of those that fire or are about to."""
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"]}

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + BOUND_S
        while not condition():
            assert time.monotonic() < deadline, f"within {BOUND_S:.0f} s it did not happen that {what}"
            time.sleep(0.2)


def configured(directory: Path, *, controller: str, storage: str) -> Path:
    """The committed configuration, for a cluster whose metrics are at these addresses."""
    text = (CONFIGURATION / "prometheus.yml").read_text()
    for name, address in ((CONTROLLER, controller), (STORAGE, storage)):
        assert name in text, f"{name} stands no more in prometheus.yml"
        text = text.replace(name, address)
    text = text.replace("scrape_timeout: 4s", f"scrape_timeout: {SCRAPE_S}s").replace(": 5s", f": {SCRAPE_S}s")
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(CONFIGURATION / "rules", directory / "rules")
    path = directory / "prometheus.yml"
    path.write_text(text)
    return path


@contextmanager
def real_prometheus(directory: Path, *, controller: str, storage: str) -> Iterator[Prometheus]:
    """Scraping until the end of the context."""
    began = time.time()
    log = directory / "prometheus.log"
    configuration = configured(directory, controller=controller, storage=storage)
    command = [
        installed("prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            prometheus = Prometheus(_listening(process, log), began)
            prometheus.until(lambda: _ready(prometheus.address), f"Prometheus is ready; its log is {log.read_text()}")
            yield prometheus
        finally:
            process.terminate()
            try:
                process.wait(BOUND_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _listening(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + BOUND_S
    while True:
        found = LISTENING.search(log.read_text())
        if found:
            return found[1]
        assert process.poll() is None and time.monotonic() < deadline, f"Prometheus does not listen: {log.read_text()}"
        time.sleep(0.05)


def _ready(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/-/ready", timeout=BOUND_S) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False
