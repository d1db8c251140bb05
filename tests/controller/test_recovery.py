"""The controller is killed after each record of a migration's life; the next one finds exactly one running copy.

A kill is modelled by an exception that leaves every task where it stands, right after the transaction of record k
became durable; then the journal is opened again and a new controller drives on, over the same nodes.
"""

import asyncio
from pathlib import Path

import pytest

from controller.errors import Refused
from controller.twin import TwinWorld
from tests.support.twin_cluster import Killed, TwinCluster

RECORDS_AT_MOST = 40


async def first_life(path: Path, world: TwinWorld, kill_after: int, *, cancel: bool) -> bool:
    """Run a migration until the k-th migration record; false if it ended before."""
    c = TwinCluster(path / "journal.db", world, kill_after=kill_after)
    c.cluster.start()
    for name in ("n1", "n2"):
        await c.join(world.add(name))
    await c.create("a", "n1")
    world.hosts["twin-n1:1"].run(40)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: None)  # the killed drive's last words
    try:
        job = await c.migrate("a", "n2")
        while cancel and "migrate_out" not in world.hosts["twin-n1:1"].calls and not c.killed.is_set():
            await asyncio.sleep(0)
        if cancel and not c.killed.is_set():
            await c.cluster.migrations.cancel(job.id)
        ended = asyncio.create_task(c.ended(job.id))
        killed = asyncio.create_task(c.killed.wait())
        await asyncio.wait({ended, killed}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    except Killed:
        pass
    was_killed = c.killed.is_set()
    await c.kill()
    return was_killed


async def second_life(path: Path, world: TwinWorld) -> str:
    """A new controller over the same journal and nodes; returns the state of the only job."""
    c = TwinCluster(path / "journal.db", world)
    c.cluster.start()
    for host in world.hosts.values():
        await c.join(host)
    await c.until(lambda: not c.cluster.journal.live_migrations())
    jobs = c.cluster.migrations.jobs()
    row = c.cluster.journal.vm("a")
    await c.until(lambda: sum(len(h.copies("a")) for h in world.hosts.values()) == 1)
    assert world.running("a") == [row.node], "the record is the truth"
    assert world.violations == []
    host = world.hosts[f"twin-{row.node}:1"]
    host.run(100)
    assert host.vms["a"].intact() and host.vms["a"].migration_id == ""
    assert len(jobs) == 1 and jobs[0].migration.runs_on == row.node
    if jobs[0].state == "succeeded":
        assert sum(p.duration_ns for p in jobs[0].migration.downtime_parts) == jobs[0].migration.downtime_ns > 0
    other = "n1" if row.node == "n2" else "n2"
    again = await c.ended((await c.migrate("a", other)).id)
    assert again.state == "succeeded" and world.running("a") == [other]
    await c.close()
    return jobs[0].state


@pytest.mark.parametrize("cancel", [False, True], ids=["to-the-end", "cancelled"])
async def test_after_a_kill_at_any_record_exactly_one_copy_runs(tmp_path: Path, cancel: bool) -> None:
    outcomes = []
    for k in range(1, RECORDS_AT_MOST):
        path = tmp_path / str(k)
        path.mkdir()
        world = TwinWorld()
        if not await first_life(path, world, k, cancel=cancel):
            break
        outcomes.append(await second_life(path, world))
    else:
        pytest.fail("more records than expected: the loop did not reach the end")
    print(f"killed after each of {len(outcomes)} records: {outcomes}")
    if cancel:
        assert set(outcomes) <= {"cancelled", "failed"} and "cancelled" in outcomes
    else:
        first_success = outcomes.index("succeeded")
        assert set(outcomes[:first_success]) == {"failed"} and set(outcomes[first_success:]) == {"succeeded"}
        assert first_success >= 4 and len(outcomes) - first_success >= 3


@pytest.mark.parametrize("answer_lost", [False, True])
async def test_a_kill_between_activation_and_its_record_does_not_activate_twice(
    tmp_path: Path, answer_lost: bool
) -> None:
    world = TwinWorld()
    c = TwinCluster(tmp_path / "journal.db", world)
    c.cluster.start()
    for name in ("n1", "n2"):
        await c.join(world.add(name))
    await c.create("a", "n1")
    target = world.hosts["twin-n2:1"]
    target.fail("activate_incoming", after=answer_lost, times=10**6)
    await c.migrate("a", "n2")
    await c.until(lambda: target.calls.count("activate_incoming") > 3)
    assert world.running("a") == (["n2"] if answer_lost else [])
    await c.kill()
    target._faults.clear()
    assert await second_life(tmp_path, world) == "succeeded"


async def test_a_kill_while_a_vm_is_being_built_leaves_no_half_vm(tmp_path: Path) -> None:
    world = TwinWorld()
    c = TwinCluster(tmp_path / "journal.db", world)
    c.cluster.start()
    host = world.add("n1")
    await c.join(host)
    host.fail("create_vm", after=True)
    with pytest.raises(Exception, match="does not answer"):
        await c.create("a", "n1")
    await c.kill()
    assert len(host.copies("a")) == 1
    c = TwinCluster(tmp_path / "journal.db", world)
    c.cluster.start()
    await c.join(host)
    await c.until(lambda: not c.cluster.journal.has_vm("a"))
    assert host.copies("a") == []
    await c.create("a", "n1")
    await c.close()


async def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(Refused, match="version 99"):
        TwinCluster(path, TwinWorld())
