"""The controller says whether the storage answers: at the start, and at each change, once."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.errors import StorageUnreachable
from controller.images import StoredImages
from controller.twin import TwinWorld
from tests.support.image_service import image_service
from tests.support.twin_cluster import TwinCluster


async def test_a_storage_that_is_away_at_the_start_is_waited_for_and_each_change_is_said_once(tmp_path: Path) -> None:
    twin = TwinCluster(tmp_path / "journal.db", TwinWorld())
    twin.images.failure = StorageUnreachable("nobody listens there")
    with capture_logs() as events:
        assert "not asked" in twin.cluster.status().storage_state
        twin.cluster.start()
        await twin.until(lambda: "nobody listens there" in twin.cluster.status().storage_state)
        assert twin.cluster.status().storage_state.startswith("not reachable since 2023-11-14 22:13:")
        await twin.until(lambda: twin.images.checks > 5)
        twin.images.failure = None
        await twin.until(lambda: twin.cluster.status().storage_state == "reachable")
        twin.images.failure = StorageUnreachable("it is gone again")
        await twin.until(lambda: "gone again" in twin.cluster.status().storage_state)
        await twin.close()
    assert [event["event"] for event in events] == ["storage.waiting", "storage.reachable", "storage.unreachable"]
    assert events[0]["reason"] == "nobody listens there"


async def test_without_a_storage_the_cluster_serves_and_migrates(tmp_path: Path) -> None:
    world = TwinWorld()
    twin = TwinCluster(tmp_path / "journal.db", world)
    twin.images.failure = StorageUnreachable("nobody listens there")
    twin.cluster.start()
    for name in ("n1", "n2"):
        await twin.join(world.add(name))
    await twin.create("a", "n1")
    assert (await twin.ended((await twin.migrate("a", "n2")).id)).state == "succeeded"
    await twin.close()


async def test_a_real_storage_is_told_from_a_closed_port(tmp_path: Path) -> None:
    async with image_service(tmp_path) as address:
        images = StoredImages(address)
        await images.check()
        await images.close()
    images = StoredImages(address)
    with pytest.raises(StorageUnreachable, match=f"{address} does not answer"):
        await images.check()
    await images.close()
