"""The controller's parts, put together: one object that the gRPC service, or a test with in-memory nodes, talks to."""

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
from controller.reconcile import Reconciler, VmLocks
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
        self.journal = Journal(path, clock, on_record=lambda _: self.changes.notify())
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
        notice = controller_pb2.ControllerNotice(storage_address=config.storage_address, cluster_id=config.cluster_id)
        self.membership = Membership(
            self.journal, self.inventory, self.reconciler, clock, token=config.token, notice=notice
        )

    def start(self) -> None:
        """Take up unfinished migrations; nodes rejoin by themselves."""
        self.migrations.recover()

    async def close(self) -> None:
        """Stop; everything unfinished stays in the journal."""
        self.membership.close()
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
            )
            for node in self.inventory.nodes()
        ]
