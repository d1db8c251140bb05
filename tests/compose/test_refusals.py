"""What a cluster in containers says to strangers, and what its parts say when they cannot begin."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compose.project import Project, until

pytestmark = [pytest.mark.system, pytest.mark.compose, pytest.mark.timeout(180)]

SAID_S = 60.0
TOKEN = "/run/limosa-token/token"


@contextmanager
def running(project: Project, *command: str) -> Iterator[str]:
    """A container of `docker run` or `compose run`, detached; its id. It is removed with its volumes."""
    if command[0] == "run":
        ran = project.docker("run", "-d", "--label", f"com.docker.compose.project={project.name}", *command[1:])
    else:
        ran = project.compose(*command)
    container = ran.out.split()[-1]
    try:
        yield container
    finally:
        project.docker("rm", "--force", "--volumes", container)


@contextmanager
def one_more_node(project: Project, *options: str, mount: tuple[str, ...] = ()) -> Iterator[str]:
    """A node that is run by hand, beside those of docker-compose.yml."""
    command = ("--controller=controller:7400", f"--token-file={TOKEN}", "--memory=64M", *options)
    with running(project, "--profile", "extra", "run", "-d", "--no-deps", *mount, "node", *command) as container:
        yield container


def says(project: Project, container: str, sentence: str) -> None:
    until(lambda: sentence in project.log(container), f"it says {sentence!r}", SAID_S)


def ends(project: Project, container: str, sentence: str) -> None:
    """By itself, with a status that is none of success, and with that sentence and no traceback."""
    until(lambda: not project.inspect(container)["State"]["Running"], "it has ended", SAID_S)
    said = project.log(container)
    assert sentence in said and "Traceback" not in said, said
    assert project.inspect(container)["State"]["ExitCode"] != 0


def names(project: Project) -> list[str]:
    return [str(node["name"]) for node in project.limosa("nodes", "-o", "json").json()]


def test_a_node_with_a_wrong_token_is_refused_and_told_why(cluster: Project, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    wrong = tmp_path / "token"
    wrong.write_text("a guess\n")
    wrong.chmod(0o644)
    before = names(cluster)
    mount = ("-v", f"{wrong}:/run/wrong-token:ro")
    with one_more_node(cluster, "--name=stranger", "--token-file=/run/wrong-token", mount=mount) as container:
        says(cluster, container, "wrong token")
        assert names(cluster) == before


def test_a_second_node_of_a_name_is_refused_and_the_first_stays(cluster: Project) -> None:
    def node1() -> dict[str, object]:
        (found,) = [node for node in cluster.limosa("nodes", "-o", "json").json() if node["name"] == "node1"]
        return {key: found[key] for key in ("state", "address", "joined")}

    before = node1()
    with one_more_node(cluster, "--name=node1") as container:
        says(cluster, container, "node1")
        says(cluster, container, "cluster.not_joined")
        assert node1() == before


@pytest.mark.parametrize("options", [[], ["--listen=0.0.0.0:0"]], ids=["calls", "metrics"])
def test_a_port_in_use_is_said_and_ends_the_service(cluster: Project, options: list[str]) -> None:
    network = f"container:{cluster.container('controller')}"
    arguments = ("--storage=storage:7401", "--create-token", f"--token-file={TOKEN}", *options)
    with running(cluster, "run", "--network", network, image(cluster, "controller"), *arguments) as container:
        ends(cluster, container, "the port is in use")


def test_a_controller_that_does_not_reach_its_storage_says_so_and_waits(cluster: Project) -> None:
    arguments = ("--storage=nowhere:7401", "--create-token", f"--token-file={TOKEN}")
    with running(cluster, "run", image(cluster, "controller"), *arguments) as container:
        says(cluster, container, "storage.waiting")
        until(lambda: cluster.inspect(container)["State"]["Health"]["Status"] == "healthy", "it serves", SAID_S)


def test_a_controller_without_room_for_its_journal_says_so(cluster: Project) -> None:
    disk = ("--tmpfs", "/var/lib/limosa:size=8k,mode=1777")
    arguments = ("--storage=storage:7401", "--create-token", f"--token-file={TOKEN}")
    with running(cluster, "run", *disk, image(cluster, "controller"), *arguments) as container:
        ends(cluster, container, "full")


def image(project: Project, service: str) -> str:
    return str(project.inspect(project.container(service))["Config"]["Image"])
