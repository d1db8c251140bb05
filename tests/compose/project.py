"""The cluster of docker-compose.yml as a project of its own: its commands, its containers, what is left of it.

Everything is done by the engine's and Compose's own commands and by `limosa` on this host, as a user does it. Ports
are free ones, the images those that deploy/test-compose has built. Every command has a bound.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.real_cluster import Ran

ROOT = Path(__file__).resolve().parents[2]
COMMAND_S = 120.0
BOUND_S = 120.0
POLL_S = 0.5
LOG_LINES = 60


@dataclass(frozen=True, slots=True)
class Project:
    """One project: nothing of it is shared with another."""

    name: str
    compose_command: tuple[str, ...]  # ("docker", "compose") or ("docker-compose",)
    ports: dict[str, int]  # of storage, controller and prometheus, on this host
    state: Path  # of `limosa` on this host
    began: float  # in Unix time

    def compose(self, *arguments: str, status: int | None = 0, bound_s: float = COMMAND_S) -> Ran:
        return run([*self.compose_command, *arguments], self.environment(), status, bound_s)

    def docker(self, *arguments: str, status: int | None = 0, bound_s: float = COMMAND_S) -> Ran:
        return run(["docker", *arguments], self.environment(), status, bound_s)

    def limosa(self, *arguments: str, status: int | None = 0, bound_s: float = COMMAND_S) -> Ran:
        """From this host, as a user without a container."""
        return run([sys.executable, "-m", "controller.cli.main", *arguments], self.environment(), status, bound_s)

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "LIMOSA_STATE_DIR"},
            "COMPOSE_PROJECT_NAME": self.name,
            "LIMOSA_STATE_DIR": str(self.state),
            "LIMOSA_CONTROLLER": self.address("controller"),
            "LIMOSA_STORAGE": self.address("storage"),
            **{f"LIMOSA_{service.upper()}_PORT": str(port) for service, port in self.ports.items()},
            "NO_COLOR": "1",
        }

    def address(self, service: str) -> str:
        return f"localhost:{self.ports[service]}"

    def within(self, service: str, *command: str, status: int | None = 0) -> Ran:
        """Run a command in a service's container."""
        return self.docker("exec", self.container(service), *command, status=status)

    def container(self, service: str) -> str:
        """The id of a service's only container, running or not."""
        (found,) = self.containers(f"com.docker.compose.service={service}")
        return found

    def containers(self, *labels: str) -> list[str]:
        wanted = (f"com.docker.compose.project={self.name}", *labels)
        filters = [word for label in wanted for word in ("--filter", f"label={label}")]
        return self.docker("ps", "--all", "--quiet", "--no-trunc", *filters).out.split()

    def inspect(self, container: str) -> Any:
        return self.docker("inspect", container).json()[0]

    def healthy(self, service: str) -> bool:
        state = self.inspect(self.container(service))["State"]
        return bool(state["Running"] and state["Health"]["Status"] == "healthy")

    def log(self, container: str) -> str:
        """What it wrote since it was made, on both streams."""
        ran = self.docker("logs", container)
        return ran.out + ran.err

    def kill(self, service: str) -> None:
        """kill -9 of the container's first process, from outside: as a fault, which the restart policy answers, and not
        as an order, which it does not. Returns when the container runs again."""
        container = self.container(service)
        before = self.inspect(container)
        os.kill(before["State"]["Pid"], 9)

        def restarted() -> bool:
            now = self.inspect(container)
            return bool(now["State"]["Running"] and now["RestartCount"] > before["RestartCount"])

        until(restarted, f"{service} runs again after its death")

    def last_words(self) -> str:
        """The end of every service's log, for whoever reads of a failure."""
        return self.compose("logs", "--no-color", f"--tail={LOG_LINES}", status=None).out


def run(command: list[str], environment: dict[str, str], status: int | None, bound_s: float) -> Ran:
    """Unless `status` is None, it must end so."""
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=bound_s)
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert status is None or ran.status == status, f"{' '.join(command)} ended {ran.status}: {ran.out}{ran.err}"
    return ran


def until(condition: Callable[[], bool], what: str, bound_s: float = BOUND_S) -> None:
    deadline = time.monotonic() + bound_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {bound_s:.0f} s in vain until {what}"
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Traces:
    """What containers leave on a host while they are there."""

    containers: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]

    def left(self, project: Project) -> list[str]:
        """What of it is there still, the containers' processes and mounts included."""
        found = [f"container {one}" for one in self.containers & _listed(project, "ps", "--all", "--no-trunc")]
        found += [f"network {one}" for one in self.networks & _listed(project, "network", "ls", "--no-trunc")]
        found += [f"volume {one}" for one in self.volumes & _listed(project, "volume", "ls")]
        found += [f"mount {line}" for line in _naming(Path("/proc/self/mountinfo").read_text(), self.containers)]
        for groups in Path("/proc").glob("[0-9]*/cgroup"):
            try:
                text = groups.read_text() + groups.with_name("cmdline").read_text()
            except OSError:  # it has ended meanwhile
                continue
            found += [f"process {groups.parent.name}: {line}" for line in _naming(text, self.containers)]
        return found


def traces_of(project: Project) -> Traces:
    """All that belongs to the project now; the anonymous volumes are found through their containers."""
    containers = project.containers()
    mounts = [mount for one in containers for mount in project.inspect(one)["Mounts"]]
    filters = ("--filter", f"label=com.docker.compose.project={project.name}")
    return Traces(
        containers=frozenset(containers),
        networks=frozenset(_listed(project, "network", "ls", "--no-trunc", *filters)),
        volumes=frozenset(mount["Name"] for mount in mounts if mount["Type"] == "volume")
        | _listed(project, "volume", "ls", *filters),
    )


def _listed(project: Project, *command: str) -> set[str]:
    return set(project.docker(*command, "--quiet").out.split())


def _naming(text: str, containers: frozenset[str]) -> list[str]:
    return [line for line in text.splitlines() if any(container in line for container in containers)]
