"""The counters of ended migrations are a function of the journal: they survive a kill, and they add up."""

import asyncio
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from controller.clock import ManualClock
from controller.journal import Journal
from controller.lifecycle import ENDED, MigrationState
from controller.metrics.ended import PARTS, EndedMigrations, phases_of
from controller.metrics.telemetry import ENDINGS, Telemetry
from controller.migrations import ALGORITHMS
from controller.rows import MigrationRow
from controller.twin import TwinWorld
from protos import common_pb2
from tests.support.twin_cluster import Killed, TwinCluster

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
NS = st.integers(0, 20_000_000_000)


def samples(registry: CollectorRegistry) -> Samples:
    """Everything that is counted; gauges show the present and are left out."""
    families = [family for family in registry.collect() if family.type in ("counter", "histogram")]
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def of_migrations(registry: CollectorRegistry) -> Samples:
    return {key: value for key, value in samples(registry).items() if key[0].startswith("limosa_migration")}


def total(counted: Samples, name: str, **labels: str) -> float:
    return sum(
        value
        for (sample, given), value in counted.items()
        if sample == f"limosa_{name}" and labels.items() <= dict(given).items()
    )


@st.composite
def ended_migrations(draw: st.DrawFn) -> MigrationRow:
    """A record that keeps the conservation laws: parts sum to the downtime, which lies within the total."""
    options = common_pb2.MigrationOptions(algorithm=draw(st.sampled_from(ALGORITHMS)), max_downtime_ns=draw(NS))
    record = common_pb2.MigrationRecord(options=options, pages_normal=draw(st.integers(0, 9000)))
    record.bytes_sent = record.pages_normal * 4096 + draw(st.integers(0, 10_000))
    record.pages_zero, record.setup_ns = draw(st.integers(0, 9000)), draw(NS)
    for name in (*PARTS, "of-a-newer-node"):
        record.downtime_parts.add(name=name, duration_ns=draw(NS))
    record.downtime_ns = sum(part.duration_ns for part in record.downtime_parts)
    record.total_ns = record.downtime_ns + draw(NS)
    for number in range(draw(st.integers(0, 4))):
        record.rounds.add(number=number + 1)
    state = draw(st.sampled_from(sorted(ENDED)))
    return MigrationRow("m", "a", "n1", "n2", state, "", "", 0, "", record)


@settings(deadline=None, max_examples=50)
@given(st.lists(ended_migrations(), max_size=12))
def test_sums_and_counts_are_those_of_the_records(rows: list[MigrationRow]) -> None:
    registry = CollectorRegistry()
    ended = EndedMigrations(registry)
    for row in rows:
        ended.count(row)
    counted = samples(registry)
    records = [row.record for row in rows if row.state is MigrationState.SUCCEEDED]
    close = 1e-6
    assert total(counted, "migrations_total") == len(rows)
    assert total(counted, "migration_downtime_seconds_count") == len(records)
    downtime = sum(record.downtime_ns for record in records) / 1e9
    assert abs(total(counted, "migration_downtime_seconds_sum") - downtime) < close
    assert abs(total(counted, "migration_downtime_part_seconds_total") - downtime) < close
    duration = sum(record.total_ns for record in records) / 1e9
    assert abs(total(counted, "migration_duration_seconds_sum") - duration) < close
    assert abs(total(counted, "migration_phase_duration_seconds_sum") - duration) < close
    late = [record for record in records if record.downtime_ns > record.options.max_downtime_ns]
    assert total(counted, "migration_downtime_over_limit_total") == len(late)
    assert total(counted, "migration_transferred_bytes_total") == sum(row.record.bytes_sent for row in rows)
    assert total(counted, "migration_transferred_pages_total", kind="zero") == sum(r.record.pages_zero for r in rows)
    assert total(counted, "migration_rounds_sum") == sum(len(row.record.rounds) for row in rows)
    for algorithm in ALGORITHMS:
        own = [row for row in rows if row.record.options.algorithm == algorithm]
        assert total(counted, "migrations_total", algorithm=algorithm) == len(own)


@settings(deadline=None, max_examples=50)
@given(st.lists(ended_migrations(), max_size=6))
def test_no_record_makes_a_label_that_was_not_there_from_the_beginning(rows: list[MigrationRow]) -> None:
    registry = CollectorRegistry()
    ended = EndedMigrations(registry)
    before = samples(registry).keys()
    for row in rows:
        ended.count(row)
    assert samples(registry).keys() == before


@settings(deadline=None, max_examples=50)
@given(ended_migrations())
def test_phases_sum_to_the_total_time(row: MigrationRow) -> None:
    phases = dict(phases_of(row.record))
    assert sum(phases.values()) == row.record.total_ns
    assert all(duration >= 0 for duration in phases.values())
    assert ("pre-copy" in phases) is (row.record.options.algorithm == "pre-copy")


def test_every_end_of_a_migration_is_counted() -> None:
    names = ("released", "failed", "cancelled", "unconverged", "lost")
    assert {f"migration.{name}" for name in names} == ENDINGS


async def live(path: Path, world: TwinWorld, *, kill_after: int = 0) -> tuple[TwinCluster, CollectorRegistry]:
    cluster, registry = TwinCluster(path, world, kill_after=kill_after), CollectorRegistry()
    Telemetry(cluster.cluster, registry, cluster.clock)
    cluster.cluster.start()
    for host in world.hosts.values():
        await cluster.join(host)
    return cluster, registry


async def test_a_controller_killed_and_started_again_counts_on_where_it_was(tmp_path: Path) -> None:
    world = TwinWorld()
    source, target = world.add("n1"), world.add("n2")
    cluster, registry = await live(tmp_path / "journal.db", world)
    await cluster.create("a", "n1")
    assert (await cluster.ended((await cluster.migrate("a", "n2")).id)).state == "succeeded"
    assert (await cluster.ended((await cluster.migrate("a", "n1", algorithm="stop-and-copy")).id)).state == "succeeded"
    target.fail("prepare_incoming")
    assert (await cluster.ended((await cluster.migrate("a", "n2")).id)).state == "failed"
    source.max_rounds = 1
    source.run(500)
    assert (await cluster.ended((await cluster.migrate("a", "n2")).id)).state == "unconverged"
    counted = of_migrations(registry)
    assert total(samples(registry), "migrations_total", result="succeeded") == 2
    assert total(samples(registry), "migrations_total") == 4
    records = [job.migration for job in cluster.cluster.migrations.jobs() if job.state == "succeeded"]
    assert total(samples(registry), "migration_downtime_seconds_sum") == sum(r.downtime_ns for r in records) / 1e9
    assert total(samples(registry), "events_total") == len(cluster.cluster.journal.records(0))
    await cluster.kill()
    cluster = TwinCluster(tmp_path / "journal.db", world)
    registry = CollectorRegistry()
    Telemetry(cluster.cluster, registry, cluster.clock)
    assert of_migrations(registry) == counted
    assert total(samples(registry), "events_total") == len(cluster.cluster.journal.records(0))
    await cluster.close()


async def test_a_migration_whose_end_was_journalled_but_not_told_is_counted_once(tmp_path: Path) -> None:
    """Killed right after each record in turn: the lives together count the one migration once."""
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: None)  # the killed drives' last words
    for kill_after in range(1, 12):
        path, world = tmp_path / f"{kill_after}.db", TwinWorld()
        for name in ("n1", "n2"):
            world.add(name)
        cluster, _ = await live(path, world)
        await cluster.create("a", "n1")
        await cluster.kill()
        cluster, _ = await live(path, world, kill_after=kill_after)
        with suppress(Killed):
            await cluster.migrate("a", "n2")
        await cluster.until(lambda c=cluster: c.killed.is_set() or not c.cluster.journal.live_migrations())
        await cluster.kill()
        cluster, registry = await live(path, world)
        await cluster.until(lambda c=cluster: not c.cluster.journal.live_migrations())
        assert total(samples(registry), "migrations_total") == 1
        await cluster.close()


def test_an_empty_journal_counts_nothing_but_names_everything(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", ManualClock())
    assert journal.counts_by_kind() == []
    journal.note("node.gone", node="n1", text="gone")
    journal.note("node.gone", node="n2", text="gone")
    assert journal.counts_by_kind() == [("node.gone", 2)]
    journal.close()
