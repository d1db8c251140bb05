"""A cluster in containers from its first machine on: guests wander over all nodes, nodes and controller die and return.

The tests follow each other: what one leaves, the next one uses. All that they do, a user can do.
"""

import json
from typing import Any

import pytest

from controller.cli.session import Session
from tests.compose.guests import talking
from tests.compose.project import Project, until
from tests.support.endurance import assert_whole, migrate

pytestmark = [pytest.mark.system, pytest.mark.compose, pytest.mark.timeout(420)]

NODES = ("node1", "node2", "node3")
ALGORITHMS = ("pre-copy", "stop-and-copy")
GUESTS = {"pae": "debian-12", "plain": "debian-12-686"}  # a kernel with PAE and one without
PULLED_S = 300.0
JOINED_S = 60.0


def ready_nodes(cluster: Project) -> set[str]:
    return {node["name"] for node in cluster.limosa("nodes", "-o", "json").json() if node["state"] == "ready"}


def vm(cluster: Project, name: str) -> Any:
    return cluster.limosa("info", name, "-o", "json").json()


def wander(session: Session, name: str, nodes: tuple[str, ...], algorithm: str) -> None:
    """To each of the nodes in turn."""
    for node in nodes:
        assert_whole(migrate(session, name, node, algorithm=algorithm), node)


def test_the_first_machine_of_a_fresh_node_waits_for_no_compiler(
    cluster: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.limosa("create", "first", "--append", "idle", "--memory", "32M", "--node", "node1", "--start")
    taken_ms = vm(cluster, "first")["create_to_first_instruction_ns"] / 1e6
    log = cluster.log(cluster.container("node1"))
    assert "template.ready" in log and "template.progress" not in log, "the image's interpreter was not used"
    with capsys.disabled():
        print(f"\nfirst machine of a fresh node: {taken_ms:.0f} ms from its creation to its first instruction")
    cluster.limosa("destroy", "first")


@pytest.mark.parametrize("service", ["storage", "controller", "node1"])
def test_a_container_has_no_rights_and_nothing_to_write_to_but_its_volumes(cluster: Project, service: str) -> None:
    script = """
        id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
        for place in / /etc /opt/limosa /usr/bin /var/lib/limosa /tmp; do
            touch $place/new 2>/dev/null && echo may write to $place
        done; true"""
    said = cluster.within(service, "sh", "-c", script).out
    assert said.splitlines() == [
        "10001",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "may write to /var/lib/limosa",
        "may write to /tmp",
    ]


def test_only_nodes_carry_a_compiler(cluster: Project) -> None:
    has_one = "import importlib.util, sys; sys.exit(importlib.util.find_spec('numba') is None)"
    for service, status in (("storage", 1), ("controller", 1), ("node1", 0)):
        cluster.within(service, "python", "-c", has_one, status=status)


def test_the_command_line_works_within_a_container_too(cluster: Project) -> None:
    listed = cluster.compose("exec", "-T", "controller", "limosa", "nodes", "-o", "json").out
    assert {node["name"] for node in json.loads(listed)} == set(NODES)


def test_guests_of_two_images_boot(cluster: Project) -> None:
    for image in GUESTS.values():
        cluster.limosa("image", "pull", image, bound_s=PULLED_S)  # and sends it to the cluster
    listed = {image["name"] for image in cluster.limosa("image", "list", "-o", "json").json()}
    assert listed >= set(GUESTS.values())
    for name, node in zip(GUESTS, NODES, strict=False):
        cluster.limosa("create", name, "--image", GUESTS[name], "--memory", "96M", "--node", node, "--start")
    with talking(cluster, *GUESTS) as (_, counters):
        for counter in counters:
            counter.begin()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("name", "path"), [("pae", ("node2", "node3", "node1")), ("plain", ("node3", "node1", "node2"))]
)
def test_a_guest_goes_round_all_nodes(cluster: Project, name: str, path: tuple[str, ...], algorithm: str) -> None:
    with talking(cluster, name) as (session, (counter,)):
        wander(session, name, path, algorithm)
        counter.goes_on()


def test_a_node_that_dies_comes_back_and_is_used_again(cluster: Project) -> None:
    cluster.kill("node3")
    until(lambda: cluster.healthy("node3"), "node3 is healthy")
    until(lambda: "node3" in ready_nodes(cluster), "node3 has joined again", JOINED_S)
    for algorithm, away, back in zip(ALGORITHMS, ("node3", "node3"), ("node1", "node1"), strict=True):
        with talking(cluster, "pae") as (session, (counter,)):
            wander(session, "pae", (away, back), algorithm)
            counter.goes_on()


def test_a_controller_that_dies_takes_nothing_with_it(cluster: Project) -> None:
    before = {job["id"]: job["state"] for job in cluster.limosa("jobs", "-o", "json").json()}
    cluster.kill("controller")
    until(lambda: cluster.healthy("controller"), "the controller is healthy")
    until(lambda: ready_nodes(cluster) == set(NODES), "all nodes have joined again", JOINED_S)
    assert before == {job["id"]: job["state"] for job in cluster.limosa("jobs", "-o", "json").json()}
    for name, path in (("pae", ("node2", "node1")), ("plain", ("node1", "node2"))):
        with talking(cluster, name) as (session, (counter,)):
            counter.goes_on()
            wander(session, name, path, "pre-copy")
            counter.goes_on()


def test_a_fourth_node_joins_takes_a_guest_and_leaves(cluster: Project) -> None:
    cluster.compose("--profile", "extra", "up", "-d", "--no-build", "--no-recreate", "--scale", "node=1", "node")
    until(lambda: len(ready_nodes(cluster)) == 4, "a fourth node has joined", JOINED_S)
    (fourth,) = ready_nodes(cluster) - set(NODES)
    assert cluster.container("node").startswith(fourth), "it has its container's name"
    with talking(cluster, "plain") as (session, (counter,)):
        for algorithm in ALGORITHMS:
            wander(session, "plain", (fourth, "node2"), algorithm)
        counter.goes_on()
    cluster.compose("--profile", "extra", "rm", "--stop", "--force", "-v", "node")
    until(lambda: ready_nodes(cluster) == set(NODES), "the fourth node is known to be gone", JOINED_S)


def test_a_log_is_json_and_names_a_migration_wherever_it_passes(cluster: Project) -> None:
    jobs = cluster.limosa("jobs", "-o", "json").json()
    job = [job for job in jobs if {job["source"], job["target"]} <= set(NODES)][-1]
    for service in ("controller", job["source"], job["target"]):
        log = cluster.log(cluster.container(service)).splitlines()
        assert [line for line in log if not line.startswith("{")] == [], service
        lines = [json.loads(line) for line in log]
        assert any(line.get("migration") == job["id"] for line in lines), f"{service} does not tell of {job['id']}"
