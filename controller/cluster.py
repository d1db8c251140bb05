"""The controller's parts, put together: one object that the gRPC service, or a test with in-memory nodes, talks to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controller.agents import Dial
from controller.changes import Changes
from controller.clock import Clock
from controller.commit import JournalCommitPoint
from controller.console import ConsoleProxy
from controller.drive import Surroundings
from controller.events import Events
from controller.images import Images
from controller.inventory import Inventory
from controller.journal import Journal
from controller.membership import Membership
from controller.migrations import Migrations
from controller.node_removal import forget_node
from controller.reconcile import Reconciler, VmLocks
from controller.rows import Record
from controller.storage_watch import StorageWatch
from controller.version import VERSION
from controller.vms import Vms
from protos import controller_pb2


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What the rim read from arguments and files."""

    cluster_id: str
    token: str
    storage_address: str


class Cluster:
    """Opens the journal and takes up what it holds; `start` needs a running loop."""

    def __init__(self, path: Path, config: ClusterConfig, *, dial: Dial, images: Images, clock: Clock) -> None:
        self._config = config
        self.changes = Changes()
        self._followers: list[Callable[[Record], None]] = []
        self.journal = Journal(path, clock, on_record=self._tell)
        self.inventory = Inventory(self.journal, dial)
        locks = VmLocks()
        self.reconciler = Reconciler(self.journal, self.inventory, locks)
        around = Surroundings(
            journal=self.journal,
            inventory=self.inventory,
            commit_point=JournalCommitPoint(self.journal),
            clock=clock,
            settle=self.reconciler.settle,
            notify=self.changes.notify,
        )
        self.migrations = Migrations(around, locks, self.changes)
        self.vms = Vms(self.journal, self.inventory, self.reconciler, locks, images, clock)
        self.console = ConsoleProxy(self.journal, self.inventory, self.migrations, self.changes)
        self.events = Events(self.journal, self.changes)
        self.storage = StorageWatch(images, clock, self.changes)
        notice = controller_pb2.ControllerNotice(storage_address=config.storage_address, cluster_id=config.cluster_id)
        self.membership = Membership(
            self.journal, self.inventory, self.reconciler, clock, token=config.token, notice=notice
        )

    def follow(self, follower: Callable[[Record], None]) -> None:
        """From now on `follower` is called with each record, as soon as it stands in the journal."""
        self._followers.append(follower)

    def start(self) -> None:
        """Take up unfinished migrations; nodes rejoin by themselves."""
        self.migrations.recover()
        self.storage.start()

    async def close(self) -> None:
        """Stop; everything unfinished stays in the journal."""
        self.membership.close()
        await self.storage.close()
        await self.migrations.close()
        await self.inventory.close()
        self.journal.close()

    def status(self) -> controller_pb2.StatusReply:
        return controller_pb2.StatusReply(
            cluster_id=self._config.cluster_id,
            version=VERSION,
            storage_address=self._config.storage_address,
            nodes=len(self.inventory.ready()),
            vms=len(self.journal.vms()),
            jobs_running=len(self.journal.live_migrations()),
            storage_state=self.storage.state,
        )

    def nodes(self) -> list[controller_pb2.Node]:
        return [
            controller_pb2.Node(
                name=node.row.name,
                address=node.row.address,
                state=node.state,
                memory_bytes=node.row.memory_bytes,
                cpus=node.row.cpus,
                vms=len(self.journal.vms_on(node.row.name)),
                joined_unix_ns=node.row.joined_unix_ns,
                version=node.row.version,
                metrics_address=node.metrics_address,
            )
            for node in self.inventory.nodes()
        ]

    async def forget_node(self, name: str) -> None:
        await forget_node(self.journal, self.inventory, name)

    def _tell(self, record: Record) -> None:
        for follower in self._followers:
            follower(record)
        self.changes.notify()
