"""The journal's disk is full, or fails, at each step: what cannot be recorded has not happened, and nothing is lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.clock import ManualClock
from controller.errors import JournalFull, NotFound, outcome_of
from controller.journal import Journal
from controller.rows import Record
from controller.twin import TwinHost
from protos import common_pb2, controller_pb2
from tests.support.full_disk import failing, fill, make_room
from tests.support.twin_cluster import TwinCluster, twin_cluster

STEPS_AT_MOST = 40
TURNS = 500
RUNNING, STOPPED = common_pb2.VM_STATE_RUNNING, common_pb2.VM_STATE_STOPPED


def host(c: TwinCluster, name: str) -> TwinHost:
    return c.world.hosts[f"twin-{name}:1"]


def kinds(c: TwinCluster) -> list[str]:
    return [record.kind for record in c.cluster.journal.records(0, limit=10**6) if record.kind]


async def some_time(c: TwinCluster) -> None:
    """Long enough, in turns and in time, for everybody to have tried again and again."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    calm = c.clock.monotonic_ns() + 60 * 10**9
    await c.until(lambda: c.clock.monotonic_ns() > calm)


def fill_after(c: TwinCluster, kind: str, number: int) -> None:
    """The disk is full from the moment when so many records whose kind begins so have been written."""
    tell, left = c.cluster.journal.on_record, number
    assert tell is not None

    def on_record(record: Record) -> None:
        nonlocal left
        tell(record)
        if record.kind.startswith(kind):
            left -= 1
            if left == 0:
                fill(c.cluster.journal)

    c.cluster.journal.on_record = on_record


async def test_a_full_disk_is_a_sentence_with_the_path_and_status_4(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        fill(c.cluster.journal)
        with pytest.raises(JournalFull) as caught:
            await c.migrate("a", "n2")
        told = str(caught.value)
        assert str(tmp_path / "journal.db") in told and "full" in told and "Make room" in told
        assert (outcome_of(caught.value).code, outcome_of(caught.value).exit_status) == ("RESOURCE_EXHAUSTED", 4)
        make_room(c.cluster.journal)


@pytest.mark.parametrize("verb", ["start", "stop", "pause", "resume", "destroy", "create", "migrate"])
async def test_a_verb_that_cannot_be_recorded_does_not_happen_and_can_be_repeated(tmp_path: Path, verb: str) -> None:
    async with twin_cluster(tmp_path) as c:
        if verb != "create":
            await c.create("a", "n1", start=verb != "start")
        if verb == "resume":
            await c.cluster.vms.pause("a")
        before, calls = kinds(c), len(host(c, "n1").calls)
        state = host(c, "n1").vms["a"].state if verb != "create" else None

        async def act() -> object:
            if verb == "create":
                return await c.create("a", "n1")
            if verb == "migrate":
                return await c.ended((await c.migrate("a", "n2")).id)
            return await getattr(c.cluster.vms, verb)("a")

        fill(c.cluster.journal)
        with pytest.raises(JournalFull):
            await act()
        asked = set(host(c, "n1").calls[calls:])
        assert asked <= {"list_vms", "get_vm", "watch"}, "the node has not heard of it"
        assert kinds(c) == before
        assert [vm.state for vm in host(c, "n1").vms.values()] == ([state] if state is not None else [])
        make_room(c.cluster.journal)
        await act()
        assert len(kinds(c)) > len(before)


@pytest.mark.parametrize("verb", ["start", "stop", "pause", "resume", "destroy"])
async def test_a_verb_whose_record_finds_no_room_after_all_is_seen_and_recorded_later(
    tmp_path: Path, verb: str
) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1", start=verb != "start")
        if verb == "resume":
            await c.cluster.vms.pause("a")
        with failing(c.cluster.journal, lets=1) as disk:  # the room was looked for, and gone a moment later
            with pytest.raises(JournalFull, match="not recorded"):
                await getattr(c.cluster.vms, verb)("a")
            await some_time(c)
            assert disk.refused > 1, "the reconciler tried to record what the node says"
        wanted = {"start": "running", "stop": "stopped", "pause": "paused", "resume": "running", "destroy": "crashed"}
        await c.until(lambda: c.cluster.journal.vm("a").state.value == wanted[verb])


async def test_a_vm_whose_creation_could_not_be_recorded_is_taken_away_again(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        fill_after(c, "vm.placing", 1)
        with pytest.raises(JournalFull):
            await c.create("a", "n1")
        await c.until(lambda: not host(c, "n1").copies("a"))
        make_room(c.cluster.journal)
        await c.until(lambda: not c.cluster.journal.has_vm("a"))
        await c.create("a", "n1")
        assert c.world.running("a") == ["n1"]


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
async def test_a_migration_with_the_disk_full_at_any_step_leaves_one_running_copy(
    tmp_path: Path, algorithm: str
) -> None:
    """Full after the k-th record: before the commit the VM runs on the source, afterwards on the target."""
    outcomes = []
    for k in range(1, STEPS_AT_MOST):
        path = tmp_path / str(k)
        path.mkdir()
        async with twin_cluster(path) as c:
            await c.create("a", "n1")
            host(c, "n1").run(40)
            fill_after(c, "migration.", k)
            job = await c.migrate("a", "n2", algorithm=algorithm)
            await some_time(c)
            committed = "migration.committed" in kinds(c)
            assert c.world.running("a") == (["n2"] if committed else ["n1"]), "while there is no room"
            ended = c.cluster.migrations.job(job.id).state != "running"
            assert ended or len([x for h in c.world.hosts.values() for x in h.incoming.values()]) == 0
            make_room(c.cluster.journal)
            done = await c.ended(job.id)
            outcomes.append(done.state)
            assert done.state == ("succeeded" if committed else "failed")
            assert committed or ended or "journal" in done.migration.error
            assert c.world.running("a") == [done.migration.runs_on] == [c.cluster.journal.vm("a").node]
            await c.until(lambda: len([x for h in c.world.hosts.values() for x in h.copies("a")]) == 1)
            there = host(c, done.migration.runs_on)
            there.run(100)
            assert there.vms["a"].intact() and there.vms["a"].migration_id == ""
            if committed:
                assert sum(p.duration_ns for p in done.migration.downtime_parts) == done.migration.downtime_ns > 0
            again = await c.ended((await c.migrate("a", "n1" if committed else "n2")).id)
            assert again.state == "succeeded"
            if ended:
                break
    else:
        pytest.fail("more records than expected: the loop did not reach the end")
    print(f"full after each of {len(outcomes)} records: {outcomes}")
    first_success = outcomes.index("succeeded")
    assert set(outcomes[:first_success]) == {"failed"} and set(outcomes[first_success:]) == {"succeeded"}
    assert first_success >= 3 and len(outcomes) - first_success >= 3


async def test_a_disk_that_fails_at_any_commit_of_a_migration_leaves_one_running_copy(tmp_path: Path) -> None:
    """The same with an I/O error in place of the COMMIT itself, for so long that everybody tries many times."""
    outcomes = []
    for k in range(1, STEPS_AT_MOST):
        path = tmp_path / str(k)
        path.mkdir()
        async with twin_cluster(path) as c:
            await c.create("a", "n1")
            with failing(c.cluster.journal, lets=k) as disk:
                job = await c.migrate("a", "n2")
                await some_time(c)
                committed = "migration.committed" in kinds(c)
                assert c.world.running("a") == (["n2"] if committed else ["n1"])
            done = await c.ended(job.id)
            outcomes.append(done.state)
            assert done.state == ("succeeded" if committed else "failed")
            assert c.world.running("a") == [c.cluster.journal.vm("a").node] == [done.migration.runs_on]
            if not disk.refused:
                break
    else:
        pytest.fail("more commits than expected: the loop did not reach the end")
    assert {"failed", "succeeded"} == set(outcomes)


async def test_the_target_gives_its_copy_up_before_a_source_runs_on_without_a_record(tmp_path: Path) -> None:
    """So that a commit that a broken disk shows after all finds nothing that could run a second time."""
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        fill_after(c, "migration.ready", 1)
        resumed_with: list[int] = []
        cancel = host(c, "n1").cancel_migration

        async def seen(migration_id: str) -> None:
            resumed_with.append(len(host(c, "n2").incoming))
            await cancel(migration_id)

        host(c, "n1").cancel_migration = seen  # type: ignore[method-assign]
        job = await c.migrate("a", "n2")
        await c.until(lambda: bool(resumed_with) and c.world.running("a") == ["n1"])
        assert resumed_with[0] == 0
        assert c.cluster.migrations.job(job.id).migration.phase == "aborting"
        assert "cannot be written" in c.cluster.migrations.job(job.id).migration.error
        make_room(c.cluster.journal)
        assert (await c.ended(job.id)).state == "failed"


async def test_a_cancel_that_cannot_be_recorded_is_refused_and_the_next_one_works(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        host(c, "n1").gates["migrate_out"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        await c.until(lambda: "migrate_out" in host(c, "n1").calls)
        fill(c.cluster.journal)
        with pytest.raises(JournalFull):
            await c.cluster.migrations.cancel(job.id)
        assert c.cluster.migrations.job(job.id).state == "running"
        make_room(c.cluster.journal)
        await c.cluster.migrations.cancel(job.id)
        assert (await c.ended(job.id)).state == "cancelled"


async def test_a_target_that_dies_after_the_commit_gives_the_vm_back_once_that_can_be_recorded(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        gate = host(c, "n2").gates["activate_incoming"] = asyncio.Event()
        job = await c.migrate("a", "n2")
        await c.until(lambda: c.cluster.journal.vm("a").node == "n2")
        fill(c.cluster.journal)
        host(c, "n2").crash()
        host(c, "n2").restart()
        gate.set()
        await some_time(c)
        assert c.world.running("a") == [], "the record says that the target owns it"
        make_room(c.cluster.journal)
        assert (await c.ended(job.id)).state == "failed"
        assert c.world.running("a") == ["n1"]


async def test_a_controller_killed_while_the_disk_is_full_goes_on_in_its_next_life(tmp_path: Path) -> None:
    for kind, runs_on in (("migration.ready", "n1"), ("migration.committed", "n2")):
        path = tmp_path / runs_on
        path.mkdir()
        async with twin_cluster(path) as c:
            await c.create("a", "n1")
            fill_after(c, kind, 1)
            await c.migrate("a", "n2")
            await c.until(lambda: c.world.running("a") == [runs_on])  # noqa: B023
            await some_time(c)
            await c.kill()
            c.cluster.journal.close()
            second = TwinCluster(path / "journal.db", c.world)
            fill(second.cluster.journal)
            second.cluster.start()
            for each in c.world.hosts.values():
                await second.join(each)
            await some_time(second)
            assert c.world.running("a") == [runs_on] and c.world.violations == []
            make_room(second.cluster.journal)
            await second.until(lambda: not second.cluster.journal.live_migrations())  # noqa: B023
            assert second.cluster.journal.vm("a").node == runs_on and c.world.running("a") == [runs_on]
            await second.close()


async def test_what_nodes_report_while_the_disk_is_full_is_recorded_later_and_no_task_dies(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        await c.create("b", "n1")
        fill(c.cluster.journal)
        host(c, "n1").guest_ends("a")
        await some_time(c)
        assert c.cluster.journal.vm("a").state == "running"
        make_room(c.cluster.journal)
        await c.until(lambda: c.cluster.journal.vm("a").state == "stopped")
        host(c, "n1").guest_ends("b", crashed=True)
        await c.until(lambda: c.cluster.journal.vm("b").state == "crashed")
        assert host(c, "n1").calls.count("watch") == 1, "the watch went on"


async def test_a_node_that_leaves_while_the_disk_is_full_is_recorded_with_its_vms_when_there_is_room(
    tmp_path: Path,
) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        fill(c.cluster.journal)
        await c.leave(host(c, "n1"))
        await c.leave(host(c, "n2"))
        await some_time(c)
        assert c.cluster.journal.vm("a").state == "running" and "node.gone" not in kinds(c)
        make_room(c.cluster.journal)
        await c.until(lambda: c.cluster.journal.vm("a").state == "unknown")
        assert kinds(c).count("node.gone") == 2, "in their order, with their times"


async def test_a_node_that_left_and_came_back_while_the_disk_was_full_lost_nothing(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        await c.create("a", "n1")
        fill(c.cluster.journal)
        await c.leave(host(c, "n1"))
        await c.join(host(c, "n1"))
        await some_time(c)
        make_room(c.cluster.journal)
        await some_time(c)
        assert c.cluster.journal.vm("a").state == "running" and "vm.unknown" not in kinds(c)
        assert (await c.ended((await c.migrate("a", "n2")).id)).state == "succeeded"


async def test_a_new_node_joins_when_there_is_room_to_say_so(tmp_path: Path) -> None:
    async with twin_cluster(tmp_path) as c:
        fill(c.cluster.journal)
        n3 = c.world.add("n3")
        request = controller_pb2.JoinRequest(name="n3", address=n3.address, memory_bytes=1 << 30, cpus=1)
        with pytest.raises(JournalFull, match="n3 joined"):
            await anext(c.cluster.membership.join(request, "a-token"))
        with pytest.raises(NotFound, match="no node named 'n3'"):
            c.cluster.inventory.ready_node("n3")
        make_room(c.cluster.journal)
        await c.join(n3)
        await c.create("a", "n3")
        assert c.world.running("a") == ["n3"]


def opened(path: Path, on_record: Callable[[Record], None] | None = None) -> Journal:
    return Journal(path / "journal.db", ManualClock(), on_record=on_record)


def test_notes_without_room_are_written_later_in_their_order_with_their_times(tmp_path: Path) -> None:
    told: list[Record] = []
    journal = opened(tmp_path, told.append)
    journal.note("first", text="x" * 100)
    fill(journal)
    for kind in ("second", "third"):
        journal.note(kind, text="x" * 100)
    assert [record.kind for record in told] == ["first"]
    make_room(journal)
    journal.write_owed()
    journal.note("fourth", text="x")
    assert [record.kind for record in told] == ["first", "second", "third", "fourth"]
    stored = [record for record in journal.records(0, limit=10**6) if record.kind]
    assert stored == told, "each once"
    assert [r.unix_ns for r in stored] == sorted(r.unix_ns for r in stored)
    journal.close()


def test_an_error_that_is_no_matter_of_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal._db.execute("DROP TABLE records")
    with pytest.raises(Exception, match="no such table"):
        journal.note("x", text="x")
    journal.close()


def test_a_journal_that_cannot_be_opened_says_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(JournalFull, match="the controller cannot start"):
        opened(tmp_path)


def test_a_journal_that_is_full_can_be_opened_and_read(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.note("first", text="x")
    fill(journal)
    journal.close()
    again = opened(tmp_path)
    assert again.records(0, limit=1)[0].kind == "first"
    again.close()
