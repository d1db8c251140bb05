"""The agent's record of a migration: every listener hears every event, whenever it comes."""

import asyncio

from node.agent.outgoing import OutgoingMigration
from protos.common_pb2 import Round
from protos.node_pb2 import MigrateOutRequest, MigrationEvent, Progress, ReadyToCommit

BOUND_S = 5.0


def migration() -> OutgoingMigration:
    return OutgoingMigration(MigrateOutRequest(migration_id="m", vm="a"))


def progress(n: int) -> MigrationEvent:
    return MigrationEvent(progress=Progress(round=1, pages_remaining=n))


async def heard(record: OutgoingMigration) -> list[MigrationEvent]:
    async with asyncio.timeout(BOUND_S):
        return [event async for event in record.follow()]


async def test_listener_that_comes_late_hears_all_from_the_first() -> None:
    record = migration()
    events = [MigrationEvent(phase="setup"), MigrationEvent(round=Round(number=1)), MigrationEvent(phase="verify")]
    early = asyncio.create_task(heard(record))
    for event in events:
        record.take(event)
        await asyncio.sleep(0)
    record.take(last := MigrationEvent(ready_to_commit=ReadyToCommit(digest="d")))
    assert await early == await heard(record) == [*events, last]
    assert record.ready


async def test_only_the_newest_progress_is_told_to_a_listener_that_comes_late() -> None:
    record = migration()
    for n in (3, 2, 1):
        record.take(progress(n))
    listening = asyncio.create_task(heard(record))
    await asyncio.sleep(0)
    record.fail("cancelled", "by request")
    events = await listening
    assert [event.WhichOneof("event") for event in events] == ["progress", "failed"]
    assert events[0].progress.pages_remaining == 1


async def test_last_event_is_the_last() -> None:
    record = migration()
    record.fail("link-lost", "first")
    record.fail("internal", "second")
    record.take(MigrationEvent(phase="setup"))
    (event,) = await heard(record)
    assert event.failed.error == "first"
    assert record.ended and not record.ready


async def test_listener_that_goes_away_disturbs_nobody() -> None:
    record = migration()
    leaving, staying = asyncio.create_task(heard(record)), asyncio.create_task(heard(record))
    await asyncio.sleep(0)
    leaving.cancel()
    record.take(MigrationEvent(phase="setup"))
    record.fail("internal", "end")
    assert len(await staying) == 2
