"""What a scrape shows of the present: gone with the thing that it describes.

Each scrape comes by HTTP in a thread of its own, where SQLite would refuse the journal's connection: a collector that
asked the journal would fail them all.
"""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from controller.metrics.telemetry import Telemetry
from protos import controller_pb2
from service.endpoint import Endpoint
from service.registry import new_registry
from tests.support.promtool import complaints
from tests.support.twin_cluster import TOKEN, TwinCluster, twin_cluster

BOUND_S = 20.0
Page = dict[str, dict[tuple[str, ...], float]]


class Watched:
    """A controller over twins with its endpoint."""

    def __init__(self, twin: TwinCluster) -> None:
        self.twin = twin
        self.cluster = twin.cluster
        registry = new_registry(service="controller", version="1")
        telemetry = Telemetry(twin.cluster, registry, twin.clock)
        self.publishing = asyncio.create_task(telemetry.publish())
        self.endpoint = Endpoint("127.0.0.1:0", registry, {"/discovery/nodes": telemetry.discovery})

    async def text(self, path: str = "/metrics") -> str:
        def read() -> str:
            with urllib.request.urlopen(f"http://{self.endpoint.address}{path}", timeout=BOUND_S) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(read)

    async def page(self) -> Page:
        """Samples by name (without the prefix), then by label values in the order of the labels' names."""
        found: Page = {}
        for family in text_string_to_metric_families(await self.text()):
            for sample in family.samples:
                values = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name.removeprefix("limosa_"), {})[values] = sample.value
        return found

    async def until(self, name: str, expected: dict[tuple[str, ...], float] | None) -> Page:
        """Scrape until it shows this (None: nothing of that name)."""
        async with asyncio.timeout(BOUND_S):
            while (page := await self.page()).get(name) != expected:
                await asyncio.sleep(0.01)
        return page


@asynccontextmanager
async def watched(path: Path, *nodes: str) -> AsyncIterator[Watched]:
    async with twin_cluster(path, *nodes) as twin:
        made = Watched(twin)
        try:
            yield made
        finally:
            made.publishing.cancel()
            made.endpoint.close()


async def test_the_gauges_of_a_migration_are_there_while_it_runs_and_no_longer(tmp_path: Path) -> None:
    live = ("remaining_bytes", "sent_bytes", "bandwidth_bytes_per_second", "round", "max_downtime_seconds")
    found = ("dirty_bytes_per_second", "dirty_pages", "predicted_downtime_seconds")
    async with watched(tmp_path) as w:
        await w.twin.create("a", "n1")
        gate = w.twin.world.hosts["twin-n2:1"].gates["activate_incoming"] = asyncio.Event()
        job = await w.twin.migrate("a", "n2")
        await w.until("migration_in_progress", phases(activating=1))
        page = await w.page()
        record = w.cluster.migrations.job(job.id).migration
        for name in live + found:
            assert page[f"migration_{name}"].keys() == {("pre-copy", "a")}, name
        assert page["migration_sent_bytes"]["pre-copy", "a"] == record.bytes_sent > 0
        assert page["migration_max_downtime_seconds"]["pre-copy", "a"] == 0.3
        assert page["migration_dirty_bytes_per_second"]["pre-copy", "a"] == record.rounds[-1].dirty_pages_per_s * 4096
        assert page["vm_owner"] == {("n2", "a"): 1}, "the journal's owner, from the commit on"
        gate.set()
        await w.twin.ended(job.id)
        page = await w.until("migration_in_progress", phases())
        assert not {f"migration_{name}" for name in live + found} & page.keys()


def phases(**running: int) -> dict[tuple[str, ...], float]:
    names = "preparing setup active stop-and-copy verify activating releasing aborting unknown"
    return {(name,): running.get(name, 0) for name in names.split()}


async def test_the_last_migration_of_a_vm_goes_with_the_vm_and_is_not_its_successors(tmp_path: Path) -> None:
    async with watched(tmp_path) as w:
        await w.twin.create("a", "n1")
        record = (await w.twin.ended((await w.twin.migrate("a", "n2")).id)).migration
        page = await w.until("migration_last_downtime_seconds", {("a",): record.downtime_ns / 1e9})
        assert page["migration_last_duration_seconds"] == {("a",): record.total_ns / 1e9}
        assert page["migration_last_timestamp_seconds"] == {("a",): record.ended_unix_ns / 1e9}
        await w.cluster.vms.destroy("a")
        page = await w.until("migration_last_downtime_seconds", None)
        assert "vm_owner" not in page
        await w.twin.create("a", "n1")
        page = await w.until("vm_owner", {("n1", "a"): 1})
        assert "migration_last_downtime_seconds" not in page
        assert "migration_last_downtime_seconds{" not in reopened(w), "nor after a restart"


def reopened(w: Watched) -> str:
    registry = new_registry(service="controller", version="1")
    Telemetry(w.cluster, registry, w.twin.clock)
    return generate_latest(registry).decode()


async def test_nodes_vms_and_the_storage_are_shown_as_they_are(tmp_path: Path) -> None:
    async with watched(tmp_path) as w:
        await w.twin.create("a", "n1")
        await w.twin.create("b", "n2", start=False)
        await w.until("node_up", {("n1",): 1, ("n2",): 1})
        page = await w.until("vm_owner", {("n1", "a"): 1, ("n2", "b"): 1})
        states = page["controller_vms"]
        assert {state for state, count in states.items() if count} == {("running",), ("created",)}
        await w.until("storage_reachable", {(): 1})
        await w.twin.leave(w.twin.world.hosts["twin-n1:1"])
        page = await w.until("node_up", {("n1",): 0, ("n2",): 1})
        assert page["controller_vms"][("unknown",)] == 1
        assert page["events_total"][("node.gone",)] == 1


async def test_discovery_names_ready_nodes_that_have_metrics(tmp_path: Path) -> None:
    async with watched(tmp_path) as w:
        host = w.twin.world.add("n3")
        request = controller_pb2.JoinRequest(name="n3", address=host.address, metrics_address="10.0.0.3:9402")
        stream = w.cluster.membership.join(request, TOKEN)
        await anext(stream)
        assert [node.metrics_address for node in w.cluster.nodes()] == ["", "", "10.0.0.3:9402"]
        expected: list[object] = [{"targets": ["10.0.0.3:9402"], "labels": {"node": "n3"}}]
        async with asyncio.timeout(BOUND_S):
            while json.loads(await w.text("/discovery/nodes")) != expected:
                await asyncio.sleep(0.01)
            await stream.aclose()
            while json.loads(await w.text("/discovery/nodes")) != []:
                await asyncio.sleep(0.01)


async def test_promtool_finds_nothing_to_say_while_a_migration_runs(tmp_path: Path) -> None:
    async with watched(tmp_path) as w:
        await w.twin.create("a", "n1")
        await w.twin.ended((await w.twin.migrate("a", "n2")).id)
        gate = w.twin.world.hosts["twin-n1:1"].gates["activate_incoming"] = asyncio.Event()
        job = await w.twin.migrate("a", "n1")
        page = await w.until("migration_in_progress", phases(activating=1))
        assert {"migration_dirty_pages", "migration_last_downtime_seconds", "node_up"} <= page.keys()
        assert complaints(await w.text()) == ""
        gate.set()
        await w.twin.ended(job.id)


async def test_an_unknown_phase_makes_no_new_label(tmp_path: Path) -> None:
    async with watched(tmp_path) as w:
        await w.twin.create("a", "n1")
        gate = w.twin.world.hosts["twin-n2:1"].gates["activate_incoming"] = asyncio.Event()
        job = await w.twin.migrate("a", "n2")
        await w.until("migration_in_progress", phases(activating=1))
        live = w.cluster.migrations._drives[job.id].live
        live.record.phase = "a newer node's word"
        w.cluster.changes.notify()
        await w.until("migration_in_progress", phases(unknown=1))
        gate.set()
        await w.twin.ended(job.id)
