"""The controller's metrics, kept up to date from the journal and read from another thread.

    journal ── each record ──► counters (ended.py)      ◄── read by
    journal, inventory, drives ──► snapshot ──► gauges (live.py)    the thread of the endpoint

The counters follow the records one by one. The snapshot is built in the event loop after a change, and not more often
than `PUBLISH_S` apart: what happens while a guest stands still must not wait for a picture of it.
"""

from prometheus_client import CollectorRegistry, Counter

from controller.clock import Clock
from controller.cluster import Cluster
from controller.lifecycle import ENDED, MIGRATION, MigrationState, NodeState
from controller.metrics.ended import EndedMigrations
from controller.metrics.live import LiveCollector
from controller.metrics.snapshot import Last, NodeNow, Snapshot, VmNow, last_of, running_of
from controller.rows import MigrationRow, Owner, Record

PUBLISH_S = 0.2
# The kinds of record with which a migration ends; each stands in the journal once for each migration.
ENDINGS = frozenset(
    f"migration.{event}" for row in MIGRATION.values() for event, after in row.items() if after in ENDED
)


class Telemetry:
    """Takes in what the journal holds, then follows it. Make it before the cluster starts."""

    def __init__(self, cluster: Cluster, registry: CollectorRegistry, clock: Clock) -> None:
        self._cluster = cluster
        self._journal = cluster.journal
        self._clock = clock
        self._ended = EndedMigrations(registry)
        self._last: dict[str, Last] = {}
        self._events = Counter("limosa_events_total", "Records of the journal.", ("kind",), registry=registry)
        self._replay()
        self.now = self._look()
        registry.register(LiveCollector(lambda: self.now))
        cluster.follow(self.take)

    def take(self, record: Record) -> None:
        """One new record of the journal."""
        self._events.labels(record.kind).inc()
        if record.kind in ENDINGS:
            self._count(self._journal.migration(record.job))

    async def publish(self) -> None:
        """Keep the snapshot up to date until cancelled."""
        changes = self._cluster.changes
        while True:
            seen = changes.count
            self.now = self._look()
            await self._clock.sleep(PUBLISH_S)
            await changes.beyond(seen)

    def discovery(self) -> object:
        """The nodes to scrape, as Prometheus' http_sd wants them; may be asked from any thread."""
        return [
            {"targets": [node.metrics_address], "labels": {"node": node.name}}
            for node in self.now.nodes
            if node.ready and node.metrics_address
        ]

    def _replay(self) -> None:
        for kind, count in self._journal.counts_by_kind():
            self._events.labels(kind).inc(count)
        for row in self._journal.migrations():
            if row.ended:
                self._count(row)

    def _count(self, row: MigrationRow) -> None:
        self._ended.count(row)
        if row.state is MigrationState.SUCCEEDED:
            self._last[row.vm] = last_of(row)

    def _last_of(self, row: Owner) -> Last | None:
        """Not that of an earlier VM of the same name."""
        last = self._last.get(row.vm)
        return last if last is not None and last.started_unix_ns >= row.created_unix_ns else None

    def _look(self) -> Snapshot:
        rows = self._journal.owners()
        self._last = {row.vm: last for row in rows if (last := self._last_of(row)) is not None}
        return Snapshot(
            vms=tuple(VmNow(row.vm, row.node, row.state, self._last.get(row.vm)) for row in rows),
            nodes=tuple(
                NodeNow(node.row.name, node.state is NodeState.READY, node.metrics_address)
                for node in self._cluster.inventory.nodes()
            ),
            running=tuple(running_of(job) for job in self._cluster.migrations.running()),
            storage_reachable=self._cluster.storage.reachable,
        )
