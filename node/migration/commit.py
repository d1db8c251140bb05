"""The one commit point, behind one interface.

`CommitAuthority.decide` is asked once, when the target is verified and holds the machine, and the source holds it
paused. Its answer alone says where the VM runs on. In the cluster the agent asks the controller, whose journal record
is the commit; later the shared store's epoch takes its place. Until the answer neither side runs, however long it
takes: an authority that never answers, or fails, leaves the source paused, because it may have committed.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from node.migration.report import DowntimePart


class Verdict(Enum):
    COMMIT = "commit"  # the target owns the VM from now on; the source's copy must never run again
    ABORT = "abort"  # the source owns it as before; the target's copy must never run


@dataclass(frozen=True, slots=True)
class Ready:
    """What the source knows when both sides are ready: the figures of the agent's `ready_to_commit`."""

    migration_id: str
    digest: str  # hexadecimal
    parts: tuple[DowntimePart, ...]  # stop .. verify, summing to paused_for_ns
    paused_for_ns: int
    setup_ns: int
    bytes_sent: int
    pages_normal: int
    pages_zero: int


class CommitAuthority(Protocol):
    async def decide(self, ready: Ready) -> Verdict: ...
