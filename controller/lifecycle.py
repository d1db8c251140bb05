"""States and transitions of a VM, a node and a migration, as tables; an unknown pair is an error.

Everything that changes such a state goes through `step`. The diagrams are rendered from the tables (`render`; a test
compares). A VM's `seen-*` events are what its node reports: the node knows best whether a guest runs, the journal
knows best where. `unknown` means that its node does not answer.

VM
    placing   placed → created · refused → gone
    created   start → running · destroy → gone · seen-created → created · seen-running → running · seen-paused → paused
              · seen-stopped → stopped · seen-crashed → crashed · node-gone → unknown
    running   pause → paused · stop → stopped · migrate → running · destroy → gone · seen-running → running ·
              seen-paused → paused · seen-stopped → stopped · seen-crashed → crashed · node-gone → unknown
    paused    resume → running · stop → stopped · destroy → gone · seen-running → running · seen-paused → paused ·
              seen-stopped → stopped · seen-crashed → crashed · node-gone → unknown
    stopped   start → running · destroy → gone · seen-created → created · seen-running → running ·
              seen-stopped → stopped · seen-crashed → crashed · node-gone → stopped
    crashed   start → running · destroy → gone · seen-running → running · seen-stopped → stopped ·
              seen-crashed → crashed · node-gone → crashed
    unknown   destroy → gone · seen-created → created · seen-running → running · seen-paused → paused ·
              seen-stopped → stopped · seen-crashed → crashed · node-gone → unknown

node
    gone      join → ready · leave → gone
    ready     join → ready · leave → gone

migration
    preparing prepared → copying · abort → aborting
    copying   commit → committed · abort → aborting
    committed activated → activated · revert → aborting
    activated released → succeeded
    aborting  failed → failed · cancelled → cancelled · unconverged → unconverged · lost → lost
"""

import textwrap
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from controller.errors import Refused


class VmState(StrEnum):
    """Where a VM is in its life; the record of it is the journal's."""

    PLACING = "placing"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CRASHED = "crashed"
    UNKNOWN = "unknown"
    GONE = "gone"


class NodeState(StrEnum):
    """A node is there as long as its Join stream is."""

    GONE = "gone"
    READY = "ready"


class MigrationState(StrEnum):
    """The journalled steps of one migration: what a restarted controller needs to know, and no more."""

    PREPARING = "preparing"
    COPYING = "copying"
    COMMITTED = "committed"
    ACTIVATED = "activated"
    ABORTING = "aborting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCONVERGED = "unconverged"
    LOST = "lost"


class UnknownTransition(Refused):
    """The table has no such step."""


State = TypeVar("State", VmState, NodeState, MigrationState)
Table = Mapping[State, Mapping[str, State]]

VM: Table[VmState] = {
    VmState.PLACING: {"placed": VmState.CREATED, "refused": VmState.GONE},
    VmState.CREATED: {
        "start": VmState.RUNNING,
        "destroy": VmState.GONE,
        "seen-created": VmState.CREATED,
        "seen-running": VmState.RUNNING,
        "seen-paused": VmState.PAUSED,
        "seen-stopped": VmState.STOPPED,
        "seen-crashed": VmState.CRASHED,
        "node-gone": VmState.UNKNOWN,
    },
    VmState.RUNNING: {
        "pause": VmState.PAUSED,
        "stop": VmState.STOPPED,
        "migrate": VmState.RUNNING,
        "destroy": VmState.GONE,
        "seen-running": VmState.RUNNING,
        "seen-paused": VmState.PAUSED,
        "seen-stopped": VmState.STOPPED,
        "seen-crashed": VmState.CRASHED,
        "node-gone": VmState.UNKNOWN,
    },
    VmState.PAUSED: {
        "resume": VmState.RUNNING,
        "stop": VmState.STOPPED,
        "destroy": VmState.GONE,
        "seen-running": VmState.RUNNING,
        "seen-paused": VmState.PAUSED,
        "seen-stopped": VmState.STOPPED,
        "seen-crashed": VmState.CRASHED,
        "node-gone": VmState.UNKNOWN,
    },
    VmState.STOPPED: {
        "start": VmState.RUNNING,
        "destroy": VmState.GONE,
        "seen-created": VmState.CREATED,
        "seen-running": VmState.RUNNING,
        "seen-stopped": VmState.STOPPED,
        "seen-crashed": VmState.CRASHED,
        "node-gone": VmState.STOPPED,
    },
    VmState.CRASHED: {
        "start": VmState.RUNNING,
        "destroy": VmState.GONE,
        "seen-running": VmState.RUNNING,
        "seen-stopped": VmState.STOPPED,
        "seen-crashed": VmState.CRASHED,
        "node-gone": VmState.CRASHED,
    },
    VmState.UNKNOWN: {
        "destroy": VmState.GONE,
        "seen-created": VmState.CREATED,
        "seen-running": VmState.RUNNING,
        "seen-paused": VmState.PAUSED,
        "seen-stopped": VmState.STOPPED,
        "seen-crashed": VmState.CRASHED,
        "node-gone": VmState.UNKNOWN,
    },
}

NODE: Table[NodeState] = {
    NodeState.GONE: {"join": NodeState.READY, "leave": NodeState.GONE},
    NodeState.READY: {"join": NodeState.READY, "leave": NodeState.GONE},
}

MIGRATION: Table[MigrationState] = {
    MigrationState.PREPARING: {"prepared": MigrationState.COPYING, "abort": MigrationState.ABORTING},
    MigrationState.COPYING: {"commit": MigrationState.COMMITTED, "abort": MigrationState.ABORTING},
    MigrationState.COMMITTED: {"activated": MigrationState.ACTIVATED, "revert": MigrationState.ABORTING},
    MigrationState.ACTIVATED: {"released": MigrationState.SUCCEEDED},
    MigrationState.ABORTING: {
        "failed": MigrationState.FAILED,
        "cancelled": MigrationState.CANCELLED,
        "unconverged": MigrationState.UNCONVERGED,
        "lost": MigrationState.LOST,
    },
}

ENDED = frozenset(
    {
        MigrationState.SUCCEEDED,
        MigrationState.FAILED,
        MigrationState.CANCELLED,
        MigrationState.UNCONVERGED,
        MigrationState.LOST,
    }
)


def step(table: Table[State], state: State, event: str, *, what: str) -> State:
    """The state after `event`; a pair that the table does not have raises with a sentence about `what`."""
    after = table.get(state, {}).get(event)
    if after is None:
        possible = ", ".join(name for name in table.get(state, {}) if not name.startswith(("seen-", "node-")))
        raise UnknownTransition(f"{what} is {state}: cannot {event} it now (possible: {possible or 'nothing'})")
    return after


def render(table: Table[State]) -> str:
    """The diagram of a table as it stands in this module's docstring."""
    lines: list[str] = []
    for state, row in table.items():
        steps = " · ".join(f"{event}~→~{after}" for event, after in row.items())
        lines += textwrap.wrap(
            steps, 120, initial_indent=f"    {state:<10}", subsequent_indent=" " * 14, break_on_hyphens=False
        )
    return "\n".join(lines).replace("~", " ")
