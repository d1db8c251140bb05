"""The HTTP endpoint as Prometheus sees it."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from service.endpoint import CannotListen, Endpoint
from service.registry import new_registry

BOUND_S = 10.0


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    registry = new_registry(service="test", version="1.2")
    Counter("limosa_godwits_total", "Seen.", registry=registry).inc(3)
    made = Endpoint("127.0.0.1:0", registry, {"/discovery": lambda: [{"targets": ["a:1"]}]})
    yield made
    made.close()


def read(endpoint: Endpoint, path: str) -> str:
    with urllib.request.urlopen(f"http://{endpoint.address}{path}", timeout=BOUND_S) as answer:
        return str(answer.read().decode())


def test_metrics_say_who_the_process_is_and_what_it_counts(endpoint: Endpoint) -> None:
    text = read(endpoint, "/metrics")
    samples = {s.name: s for family in text_string_to_metric_families(text) for s in family.samples}
    assert samples["limosa_build_info"].labels == {"service": "test", "version": "1.2"}
    assert samples["limosa_godwits_total"].value == 3
    assert samples["process_cpu_seconds_total"].value > 0


def test_documents_are_json_and_other_paths_are_not_found(endpoint: Endpoint) -> None:
    assert json.loads(read(endpoint, "/discovery")) == [{"targets": ["a:1"]}]
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        read(endpoint, "/nowhere")
    with refused.value as answer:
        assert b"/metrics, /discovery" in answer.read()


def test_a_taken_port_and_a_bad_address_are_sentences(endpoint: Endpoint) -> None:
    registry = new_registry(service="test", version="1.2")
    with pytest.raises(CannotListen, match=f"cannot listen on {endpoint.address} for metrics"):
        Endpoint(endpoint.address, registry)
    with pytest.raises(CannotListen, match="no HOST:PORT"):
        Endpoint("9090", registry)


def test_a_silent_peer_does_not_keep_others_waiting(endpoint: Endpoint) -> None:
    host, _, port = endpoint.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=BOUND_S):
        assert "limosa_godwits_total" in read(endpoint, "/metrics")


def test_closing_frees_the_port() -> None:
    registry = new_registry(service="test", version="1.2")
    first = Endpoint("127.0.0.1:0", registry)
    first.close()
    second = Endpoint(first.address, registry)
    second.close()
