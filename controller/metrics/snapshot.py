"""The cluster's present, frozen: what the event loop hands to the thread that answers scrapes.

The loop builds a new one from the journal, the inventory and the running drives; whoever reads it can take its time,
for nothing in it changes any more. Plain figures only: no message that a drive goes on writing to.
"""

from dataclasses import dataclass

from controller.rows import MigrationRow
from protos import controller_pb2

PAGE_BYTES = 4096
PHASES = ("preparing", "setup", "active", "stop-and-copy", "verify", "activating", "releasing", "aborting")
SENDING = ("active", "stop-and-copy")  # the phases in which a round is under way
UNKNOWN_PHASE = "unknown"  # a newer node's word: it must not make a label


@dataclass(frozen=True, slots=True)
class Last:
    """The last migration of a VM that succeeded."""

    started_unix_ns: int
    ended_unix_ns: int
    downtime_ns: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class VmNow:
    """A VM, its owner, and its last migration if it had one."""

    name: str
    node: str
    state: str
    last: Last | None


@dataclass(frozen=True, slots=True)
class NodeNow:
    """A node that the journal knows."""

    name: str
    ready: bool
    metrics_address: str


@dataclass(frozen=True, slots=True)
class RoundNow:
    """What the last round that ended found."""

    dirty_pages: int
    dirty_bytes_per_s: float
    predicted_downtime_ns: int


@dataclass(frozen=True, slots=True)
class Running:
    """A migration under way. `round` is the one that is being sent; `found` is None before the first has ended."""

    vm: str
    algorithm: str
    phase: str
    round: int
    remaining_bytes: int
    sent_bytes: int
    bytes_per_s: float
    max_downtime_ns: int
    found: RoundNow | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of one moment."""

    vms: tuple[VmNow, ...] = ()
    nodes: tuple[NodeNow, ...] = ()
    running: tuple[Running, ...] = ()
    storage_reachable: bool = False


def last_of(row: MigrationRow) -> Last:
    record = row.record
    return Last(record.started_unix_ns, record.ended_unix_ns, record.downtime_ns, record.total_ns)


def running_of(job: controller_pb2.Job) -> Running:
    """A job as its drive shows it now."""
    record = job.migration
    ended = record.rounds[-1] if record.rounds else None
    return Running(
        vm=record.vm,
        algorithm=record.options.algorithm,
        phase=record.phase if record.phase in PHASES else UNKNOWN_PHASE,
        round=len(record.rounds) + (record.phase in SENDING),
        remaining_bytes=job.pages_remaining * PAGE_BYTES,
        sent_bytes=record.bytes_sent,
        bytes_per_s=job.bytes_per_s,
        max_downtime_ns=record.options.max_downtime_ns,
        found=RoundNow(ended.dirty_pages_after, ended.dirty_pages_per_s * PAGE_BYTES, ended.predicted_downtime_ns)
        if ended is not None
        else None,
    )
