"""A real controller whose journal can grow no further (a limit on its files' sizes, lifted again without a restart)."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.real_cluster import RealCluster

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

FOR_EVER = ("--bandwidth", "2Mbit/s")


@contextmanager
def full(c: RealCluster) -> Iterator[Path]:
    """No file of the controller's may grow beyond the size of its journal's log; the journal's path."""
    journal = c.state.cluster / "controller" / "journal.db"
    log = journal.with_name("journal.db-wal")
    pid, before = c.part("controller").pid, resource.RLIM_INFINITY
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
    try:
        yield journal
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (before, hard))


def test_verbs_are_refused_with_a_sentence_and_work_when_there_is_room_again(c: RealCluster) -> None:
    c.start("a", "n1", "tick=100")
    with full(c) as journal:
        for command in (("pause", "a"), ("destroy", "a"), ("migrate", "a", "n2"), ("create", "b")):
            ran = c.limosa(*command, status=4)
            assert str(journal) in ran.err and "Make room" in ran.err and ran.err.count("\n") == 1, ran.err
        assert c.vm("a")["state"] == "running", "looking still works"
        before = c.vm("a")["console_bytes"]
        c.until(lambda: c.vm("a")["console_bytes"] > before)
    c.limosa("pause", "a")
    c.limosa("resume", "a")
    c.limosa("migrate", "a", "n2")
    assert c.vm("a")["node"] == "n2"


def test_a_migration_under_way_ends_on_its_source_and_can_be_repeated(c: RealCluster) -> None:
    c.start("a", "n1", "tick=100", "dirty=50", "pages=500")
    pid = c.part("controller").pid
    job = c.limosa("migrate", "a", "n2", "--detach", *FOR_EVER).out.strip()
    c.until(lambda: c.job(job)["phase"] == "active")
    with full(c):
        c.until(lambda: c.job(job)["phase"] == "aborting")
        assert "cannot be written" in c.job(job)["error"] and c.job(job)["state"] == "running"
        before = c.vm("a")["console_bytes"]
        c.until(lambda: c.vm("a")["console_bytes"] > before)
    c.until(lambda: c.job(job)["state"] == "failed")
    assert c.job(job)["runs_on"] == "n1" == c.vm("a")["node"]
    c.limosa("migrate", "a", "n2")
    assert c.vm("a")["node"] == "n2" and c.part("controller").pid == pid
