"""Where a new VM goes: a pure function of what is known of the nodes.

The ready node with the most memory not yet promised to VMs; equal ones by fewer VMs, then by name, so that the same
cluster always gives the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.errors import Exhausted, Refused


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ready node, as placement sees it."""

    name: str
    memory_bytes: int
    promised_bytes: int
    vms: int

    @property
    def free_bytes(self) -> int:
        return self.memory_bytes - self.promised_bytes


def place(candidates: Sequence[Candidate], *, memory_bytes: int) -> str:
    """The name of the node for a VM of `memory_bytes`."""
    if not candidates:
        raise Refused("no node is ready to take a VM; `limosa nodes` shows the nodes, `limosa up` starts some")
    best = min(candidates, key=lambda node: (-node.free_bytes, node.vms, node.name))
    if best.free_bytes < memory_bytes:
        wanted, free = memory_bytes >> 20, max(0, best.free_bytes) >> 20
        raise Exhausted(f"no node has {wanted} MiB free; the emptiest, {best.name}, has {free} MiB")
    return best.name
