"""One cluster in containers for all tests here: up before the first, down after the last, and nothing of it left.

`deploy/test-compose` prepares the engine and the images and says by its environment what they are.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.project import Project, traces_of, until
from tests.support.node_process import free_port

UP_S = 240.0
DOWN_S = 120.0
PROFILES = ("--profile", "extra", "--profile", "observability")
SERVICES = ("storage", "controller", "node1", "node2", "node3", "prometheus")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Project]:
    """Healthy."""
    ports = {service: free_port() for service in ("storage", "controller", "prometheus")}
    state: Path = tmp_path_factory.mktemp("state")
    project = Project(f"limosa-test-{os.getpid()}", compose_command(), ports, state, time.time())
    begun = time.monotonic()
    try:
        project.compose("up", "-d", "--no-build", *SERVICES, bound_s=UP_S)
        until(lambda: all(project.healthy(service) for service in SERVICES), "all services are healthy", UP_S)
        say(request, f"up and healthy after {time.monotonic() - begun:.1f} s")
        yield project
        if request.session.testsfailed:
            say(request, project.last_words())
    except BaseException:
        say(request, project.last_words())
        raise
    finally:
        traces = traces_of(project)
        begun = time.monotonic()
        project.compose(*PROFILES, "down", "--volumes", "--remove-orphans", bound_s=DOWN_S)
        say(request, f"down after {time.monotonic() - begun:.1f} s")
    assert traces.containers and traces.networks and traces.volumes
    assert traces.left(project) == []


def compose_command() -> tuple[str, ...]:
    """As deploy/test-compose found it."""
    chosen = os.environ.get("COMPOSE", "docker-compose").split()
    assert shutil.which(chosen[0]), f"{chosen[0]} is not there; run deploy/test-compose, which says what it needs"
    return tuple(chosen)


def say(request: pytest.FixtureRequest, text: str) -> None:
    """To whoever watches the run."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{text}", flush=True)
