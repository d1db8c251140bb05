"""What a cluster in containers says to strangers, and what its parts say when they cannot begin."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compose.project import Project, until

pytestmark = [pytest.mark.system, pytest.mark.compose, pytest.mark.timeout(180)]

SAID_S = 60.0
TOKENS = "/run/limosa-token"
TOKEN = f"{TOKENS}/token"
ALONE = ("--storage=nowhere:7401", "--create-token", f"--token-file={TOKEN}")


@contextmanager
def running(project: Project, service: str, *options: str, flags: tuple[str, ...]) -> Iterator[str]:
    """A container by `docker run` of a service's image, beside those of docker-compose.yml; its id. What it writes to
    goes with it."""
    image = project.inspect(project.container(service))["Config"]["Image"]
    named = ("--label", f"com.docker.compose.project={project.name}")
    container = project.docker("run", "--detach", *named, *options, image, *flags).out.strip()
    try:
        yield container
    finally:
        project.docker("rm", "--force", "--volumes", container)


@contextmanager
def one_more_node(project: Project, *flags: str, token: Path | None = None) -> Iterator[str]:
    """A node that is run by hand."""
    where = ("--network", f"{project.name}-control", "--volume", f"{token or f'{project.name}_token'}:{TOKENS}:ro")
    flags = ("--controller=controller:7400", f"--token-file={TOKEN}", "--memory=64M", *flags)
    with running(project, "node1", *where, flags=flags) as container:
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
    (tmp_path / "token").write_text("a guess\n")
    (tmp_path / "token").chmod(0o644)
    tmp_path.chmod(0o755)
    before = names(cluster)
    with one_more_node(cluster, "--name=stranger", token=tmp_path) as container:
        ends(cluster, container, "wrong token")
    assert names(cluster) == before


def test_a_second_node_of_a_name_is_refused_and_the_first_stays(cluster: Project) -> None:
    def node1() -> dict[str, object]:
        (found,) = [node for node in cluster.limosa("nodes", "-o", "json").json() if node["name"] == "node1"]
        return {key: found[key] for key in ("state", "address", "joined")}

    before = node1()
    with one_more_node(cluster, "--name=node1") as container:
        ends(cluster, container, "a node named node1 is in this cluster already")
    assert node1() == before


@pytest.mark.parametrize("flags", [(), ("--metrics=",)], ids=["for metrics", "for calls"])
def test_a_port_in_use_is_said_and_ends_the_service(cluster: Project, flags: tuple[str, ...]) -> None:
    """In the network of the controller that is there."""
    beside = ("--network", f"container:{cluster.container('controller')}")
    with running(cluster, "controller", *beside, flags=(*ALONE, *flags)) as container:
        ends(cluster, container, "the port is in use")


def test_a_controller_that_does_not_reach_its_storage_says_so_and_serves(cluster: Project) -> None:
    with running(cluster, "controller", flags=ALONE) as container:
        says(cluster, container, "storage.waiting")
        until(lambda: cluster.inspect(container)["State"]["Health"]["Status"] == "healthy", "it serves", SAID_S)


def test_a_controller_without_room_for_its_journal_says_so_and_ends(cluster: Project) -> None:
    small_disk = ("--tmpfs", "/var/lib/limosa:size=16k,uid=10001,mode=0750")
    with running(cluster, "controller", *small_disk, flags=ALONE) as container:
        ends(cluster, container, "cannot be written")
