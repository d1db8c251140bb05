"""What the journal holds, as frozen rows: the VMs, the nodes, the migrations, and the record of every change."""

from dataclasses import dataclass
from typing import NamedTuple

from controller.lifecycle import ENDED, MigrationState, VmState
from protos import common_pb2


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal; users see it as an event."""

    sequence: int
    unix_ns: int
    kind: str  # "vm.created", "migration.committed", ...
    vm: str
    node: str
    job: str
    text: str


@dataclass(frozen=True, slots=True)
class VmRow:
    """A VM's definition and who owns it. `epoch` rises by one each time the owner changes."""

    name: str
    spec: common_pb2.VmSpec
    image: str
    node: str
    epoch: int
    state: VmState
    reason: str
    created_unix_ns: int
    migrations: int
    request_id: str


class Owner(NamedTuple):
    """Of a VM's row, what tells where it is and how."""

    vm: str
    node: str
    state: str
    created_unix_ns: int


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node that joined at least once; whether it is there now is the inventory's business."""

    name: str
    address: str
    version: str
    memory_bytes: int
    cpus: int
    joined_unix_ns: int


@dataclass(frozen=True, slots=True)
class MigrationRow:
    """One migration: its journalled state, and the record that users see (rounds, downtime, result)."""

    id: str
    vm: str
    source: str
    target: str
    state: MigrationState
    outcome: str  # of an abort, once decided: failed | cancelled | unconverged | lost
    error: str
    committed_unix_ns: int
    request_id: str
    record: common_pb2.MigrationRecord

    @property
    def ended(self) -> bool:
        return self.state in ENDED
