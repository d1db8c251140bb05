"""One migration after another over in-memory nodes: what is decided, recorded and left behind."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from controller.errors import NodeUnreachable, NotFound, Refused
from protos import common_pb2
from tests.support.twin_cluster import TwinCluster, twin_cluster

RUNNING = common_pb2.VM_STATE_RUNNING


def host(cluster: TwinCluster, name: str):  # type: ignore[no-untyped-def]
    return cluster.world.hosts[f"twin-{name}:1"]


async def test_a_migrated_vm_runs_on_the_target_alone_with_its_memory_intact(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n1").run(500)
        job = await c.ended((await c.migrate("a", "n2")).id)
        assert (job.state, job.migration.result, job.migration.runs_on) == ("succeeded", "succeeded", "n2")
        assert c.world.running("a") == ["n2"]
        host(c, "n2").run(100)
        assert host(c, "n2").vms["a"].intact()
        assert host(c, "n1").copies("a") == []
        vm = await c.cluster.vms.get("a")
        assert (vm.node, vm.state, vm.migrations, vm.job) == ("n2", RUNNING, 1, "")


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
async def test_the_parts_sum_to_the_downtime_exactly(tmp_path: Path, algorithm: str) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        record = (await c.ended((await c.migrate("a", "n2", algorithm=algorithm)).id)).migration
        names = [part.name for part in record.downtime_parts]
        assert names == ["stop", "last_pages", "state", "transfer", "load", "verify", "commit", "resume"]
        assert sum(part.duration_ns for part in record.downtime_parts) == record.downtime_ns > 0
        assert all(part.duration_ns > 0 for part in record.downtime_parts)
        assert record.total_ns > record.downtime_ns
        assert record.digest.startswith("sha256:")
        in_rounds = sum(r.pages_normal + r.pages_zero for r in record.rounds)
        assert record.pages_normal + record.pages_zero > in_rounds  # the last ones went while the guest was paused
        assert bool(record.rounds) is (algorithm == "pre-copy")


async def test_a_target_that_refuses_leaves_the_source_running(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n2").fail("prepare_incoming", error=Refused("no memory left"))
        job = await c.ended((await c.migrate("a", "n2")).id)
        assert (job.state, job.migration.runs_on) == ("failed", "n1")
        assert "no memory left" in job.migration.error
        assert c.world.running("a") == ["n1"]


async def test_a_corrupted_copy_is_never_activated(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n1").run(5)
        host(c, "n2").corrupt_next = True
        host(c, "n1").max_rounds = 1
        job = await c.ended((await c.migrate("a", "n2", algorithm="stop-and-copy")).id)
        assert job.state == "failed" and "verify-mismatch" in job.migration.error
        assert c.world.running("a") == ["n1"] and host(c, "n2").copies("a") == []


async def test_a_guest_that_never_gets_quiet_is_reported_as_unconverged(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n1").max_rounds = 1
        job = await c.ended((await c.migrate("a", "n2")).id)
        assert (job.state, job.migration.result, job.migration.runs_on) == ("unconverged", "unconverged", "n1")
        assert c.world.running("a") == ["n1"] and host(c, "n2").copies("a") == []


@pytest.mark.parametrize("method", ["activate_incoming", "release_outgoing"])
@pytest.mark.parametrize("after", [False, True])
async def test_after_the_commit_lost_calls_and_answers_are_repeated(tmp_path: Path, method: str, after: bool) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        node = "n2" if method == "activate_incoming" else "n1"
        host(c, node).fail(method, after=after, times=3)
        job = await c.ended((await c.migrate("a", "n2")).id)
        assert job.state == "succeeded" and c.world.running("a") == ["n2"]
        assert host(c, node).calls.count(method) == 4
        assert host(c, "n1").copies("a") == []


async def test_a_target_that_dies_after_the_commit_and_before_activation_gives_the_vm_back(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        gate = host(c, "n2").gates["activate_incoming"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        await c.until(lambda: c.cluster.journal.vm("a").node == "n2")
        host(c, "n2").crash()
        host(c, "n2").restart()
        gate.set()
        ended = await c.ended(job.id)
        assert (ended.state, ended.migration.runs_on) == ("failed", "n1")
        assert c.world.running("a") == ["n1"]
        assert c.cluster.journal.vm("a").epoch == 3


async def test_a_source_that_dies_while_copying_loses_the_vm_and_says_so(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n1").gates["migrate_out"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        await c.until(lambda: "migrate_out" in host(c, "n1").calls)
        host(c, "n1").crash()
        host(c, "n1").gates["migrate_out"].set()
        ended = await c.ended(job.id)
        assert (ended.state, ended.migration.runs_on) == ("lost", "")
        assert host(c, "n2").copies("a") == []


async def test_cancel_before_the_commit_leaves_the_vm_on_its_source(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n1").gates["migrate_out"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        await c.until(lambda: "migrate_out" in host(c, "n1").calls)
        await c.cluster.migrations.cancel(job.id)
        ended = await c.ended(job.id)
        assert (ended.state, ended.migration.runs_on) == ("cancelled", "n1")
        assert c.world.running("a") == ["n1"] and host(c, "n2").copies("a") == []


async def test_cancel_after_the_commit_is_refused_and_the_target_runs(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        gate = host(c, "n2").gates["activate_incoming"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        await c.until(lambda: c.cluster.journal.vm("a").node == "n2")
        with pytest.raises(Refused, match="too late"):
            await c.cluster.migrations.cancel(job.id)
        gate.set()
        assert (await c.ended(job.id)).state == "succeeded"


async def test_a_cancel_at_every_scheduling_point_leaves_one_running_copy(tmp_path: Path) -> None:
    """Cancel races commit: let the drive take n steps of the event loop, then cancel."""
    seen = set()
    for steps in range(0, 120):
        path = tmp_path / str(steps)
        path.mkdir()
        async with twin_cluster(path) as c:
            await c.create("a", "n1")
            host(c, "n1").run(30)
            job = await c.migrate("a", "n2")
            for _ in range(steps):
                await asyncio.sleep(0)
            with suppress(Refused):
                await c.cluster.migrations.cancel(job.id)
            ended = await c.ended(job.id)
            seen.add(ended.state)
            assert c.world.running("a") == [ended.migration.runs_on]
            assert len([x for h in c.world.hosts.values() for x in h.copies("a")]) == 1
    assert seen == {"cancelled", "succeeded"}


async def test_preconditions_refuse_and_change_nothing(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        before = c.cluster.journal.records(0)
        for vm, target, error in (
            ("b", "n2", NotFound),
            ("a", "n9", NotFound),
            ("a", "n1", Refused),
        ):
            with pytest.raises(error):
                await c.migrate(vm, target)
        await c.leave(host(c, "n2"))
        with pytest.raises(NodeUnreachable):
            await c.migrate("a", "n2")
        await c.cluster.vms.pause("a")
        assert c.cluster.journal.migrations() == []
        assert len(c.cluster.journal.records(0)) >= len(before)


async def test_a_second_migration_and_every_verb_wait_for_the_first(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path, "n1", "n2", "n3") as c:
        await c.create("a", "n1")
        host(c, "n1").gates["migrate_out"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        with pytest.raises(Refused, match="already being migrated"):
            await c.migrate("a", "n3")
        for verb in (c.cluster.vms.pause, c.cluster.vms.stop, c.cluster.vms.destroy):
            with pytest.raises(Refused, match=job.id):
                await verb("a")
        host(c, "n1").gates["migrate_out"].set()
        assert (await c.ended(job.id)).state == "succeeded"


async def test_fifty_migrations_to_and_fro_lose_nothing(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        for i in range(50):
            source, target = ("n1", "n2") if i % 2 == 0 else ("n2", "n1")
            host(c, source).run(17)
            job = await c.ended((await c.migrate("a", target)).id)
            assert job.state == "succeeded", job.migration.error
            copy = host(c, target).vms["a"]
            assert copy.intact()
        lines = copy.console.decode().split()[1::2]
        assert [int(n) for n in lines] == list(range(10, copy.steps + 1, 10))


async def test_jobs_are_told_in_order_all_or_the_last_or_those_that_run(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        jobs = [(await c.ended((await c.migrate("a", node)).id)).id for node in ("n2", "n1", "n2")]
        gate = host(c, "n2").gates["migrate_out"] = asyncio.Event()
        jobs.append((await c.migrate("a", "n1")).id)

        def told(**which: int) -> list[str]:
            return [job.id for job in c.cluster.migrations.jobs(**which)]

        assert told() == jobs and told(last=2) == jobs[2:] and told(last=9) == jobs
        assert told(running=True) == jobs[3:] == told(running=True, last=2)
        gate.set()
        await c.ended(jobs[3])
        assert told(running=True) == []
