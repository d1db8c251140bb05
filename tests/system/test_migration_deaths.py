"""kill -9 of every part of a cluster while a VM is on its way: it runs on exactly one node, or died with its only copy.

Real processes, twin machines. Part of this kills at chosen phases, part at random moments from a printed seed.
"""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from controller.cli.processes import Process, end, start_ticks
from tests.support.real_cluster import BOUND_S, RealCluster, real_cluster

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]

SLOWLY = ("--bandwidth", "20kB/s")
BUSY = ("tick=5000", "dirty=1", "pages=200")
QUICK = ("tick=5000", "dirty=50", "pages=64")
RANDOM_KILLS = 12


def domains(c: RealCluster, node: str) -> list[Process]:
    """The domain processes of a node: of a VM that runs there, and of one that arrives."""
    agent = psutil.Process(c.part(node).pid)
    pids = [child.pid for child in agent.children(recursive=True) if child.name().startswith("vm:")]
    return [Process(pid, ticks) for pid in pids if (ticks := start_ticks(pid)) is not None]


def kill(victim: list[Process]) -> None:
    assert not end(victim, number=signal.SIGKILL, within_s=BOUND_S)


def executes(c: RealCluster) -> bool:
    """Whether the VM makes progress."""
    before = c.vm("a")["console_bytes"]
    time.sleep(0.2)
    return bool(c.vm("a")["console_bytes"] > before)


def copies(c: RealCluster) -> int:
    """How many processes hold the VM, anywhere in the cluster."""
    return len(domains(c, "n1")) + len(domains(c, "n2"))


def settled(c: RealCluster) -> str:
    """Wait until no migration is under way and the VM's state is known; that state."""
    c.until(lambda: all(job["state"] != "running" for job in c.jobs()))
    c.until(lambda: c.vm("a")["state"] in ("running", "crashed"))
    return str(c.vm("a")["state"])


def runs_once(c: RealCluster, node: str) -> None:
    """It runs, on that node, there is one copy, and it can still be moved."""
    assert settled(c) == "running"
    assert c.vm("a")["node"] == node
    c.until(lambda: executes(c))
    c.until(lambda: copies(c) == 1)
    c.limosa("pause", "a")
    c.limosa("resume", "a")
    c.limosa("migrate", "a", "n2" if node == "n1" else "n1")


def under_way(c: RealCluster, algorithm: str) -> str:
    """A migration n1 → n2 that is sending memory: while the guest runs, or while it stands still. Its job."""
    c.start("a", "n1", *BUSY)
    job = c.limosa("migrate", "a", "n2", "--algorithm", algorithm, "--detach", *SLOWLY).out.strip()
    wanted = "active" if algorithm == "pre-copy" else "stop-and-copy"
    c.until(lambda: c.job(job)["phase"] == wanted and len(domains(c, "n2")) == 1)
    return job


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
def test_death_of_the_target_domain_leaves_the_vm_at_its_source(c: RealCluster, algorithm: str) -> None:
    job = under_way(c, algorithm)
    kill(domains(c, "n2"))
    ended = c.limosa("job", job, "wait", "-o", "json", status=5).json()
    assert (ended["state"], ended["runs_on"]) == ("failed", "n1") and ended["error"]
    runs_once(c, "n1")


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
def test_death_of_the_source_domain_is_the_vms_and_is_said(c: RealCluster, algorithm: str) -> None:
    job = under_way(c, algorithm)
    kill(domains(c, "n1"))
    ended = c.limosa("job", job, "wait", "-o", "json", status=None)
    assert ended.status in (5, 8) and ended.json()["state"] in ("failed", "lost")
    assert settled(c) == "crashed"
    c.until(lambda: copies(c) == 0)
    c.limosa("start", "a")
    runs_once(c, c.vm("a")["node"])


@pytest.mark.parametrize(("victim", "state"), [("n1", "crashed"), ("n2", "running"), ("controller", "running")])
def test_death_of_a_service_while_the_guest_stands_still(c: RealCluster, victim: str, state: str) -> None:
    job = under_way(c, "stop-and-copy")
    c.kill(victim)
    c.up(2)
    assert c.limosa("job", job, "wait", status=None).status in (5, 8)
    c.until(lambda: c.vm("a")["state"] == state)
    if state == "running":
        runs_once(c, "n1")


def test_storage_is_not_needed_for_a_migration(c: RealCluster) -> None:
    c.start("a", "n1", *QUICK)
    c.kill("storage")
    c.limosa("migrate", "a", "n2")
    runs_once(c, "n2")


def test_deaths_at_random_moments_never_make_two_copies_nor_lose_one_that_lived(c: RealCluster) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    c.start("a", "n1", *QUICK)
    for turn in range(RANDOM_KILLS):
        node = c.vm("a")["node"]
        target = "n2" if node == "n1" else "n1"
        victim = chance.choice(["controller", "source", "target", "source domain", "target domain"])
        outcome = _kill_during(c, node, target, victim, chance.uniform(0.0, 0.6), chance)
        print(f"{turn}: {victim}: {outcome}")


def _kill_during(c: RealCluster, node: str, target: str, victim: str, after_s: float, chance: random.Random) -> str:
    """Migrate; kill the victim some time after; repair; the invariant holds. What came of it."""
    algorithm = chance.choice(["pre-copy", "stop-and-copy"])
    command = c.command("migrate", "a", target, "--algorithm", algorithm, "--bandwidth", "2MB/s", "--detach")
    assert subprocess.run(command, env=c.environment(), capture_output=True, timeout=60).returncode == 0
    time.sleep(after_s)
    victims: dict[str, Callable[[], None]] = {
        "controller": lambda: c.kill("controller"),
        "source": lambda: c.kill(node),
        "target": lambda: c.kill(target),
        "source domain": lambda: kill(domains(c, node)),
        "target domain": lambda: kill(domains(c, target)),
    }
    victims[victim]()
    c.up(2)
    state = settled(c)
    where = c.vm("a")["node"]
    if state == "crashed":
        held = {"source": node, "source domain": node, "target": target, "target domain": target}
        assert where == held.get(victim), f"{victim} died, and the VM of {where} is called crashed"
        c.until(lambda: copies(c) == 0)
        c.limosa("start", "a")
        assert settled(c) == "running"
    c.until(lambda: executes(c))
    c.until(lambda: copies(c) == 1)
    return f"{state} on {where}"


@pytest.mark.parametrize("victim", ["storage", "controller", "n1", "n2", "template", "domain", "nothing"])
def test_down_in_the_middle_of_a_migration_leaves_nothing_whatever_died(tmp_path: Path, victim: str) -> None:
    with real_cluster(tmp_path) as c:
        under_way(c, "pre-copy")
        if victim in ("template", "domain"):
            agent = psutil.Process(c.part("n1").pid)
            meant = [p for p in agent.children(recursive=True) if p.name().startswith("vm:") == (victim == "domain")]
            assert meant
            for process in meant:
                process.kill()
        elif victim != "nothing":
            c.kill(victim)
