"""The life of a virtual machine on one node, as a table: everything that may happen in each state, and what follows.

Rules: only `after` reads the table; a pair that is not in it is refused with a sentence and changes nothing; the agent
applies one event at a time. A state says what is true *here*: of the two copies that a migration has for a moment, the
source's is MIGRATING then DECIDING, the target's INCOMING, and no state of either lets both run:

* DECIDING is entered when the target holds a verified copy. The guest stands still, and only the controller's verdict
  ends the state: `cancel` (not committed: it runs on here) or `release` (committed: this copy goes).
* LOST is DECIDING without a process. It may not boot afresh, since the verdict may be that the VM runs on the target.
* INCOMING is left for RUNNING by `activate` alone, which the controller sends only after its commit record.

`domain_died` is possible wherever a process exists; GONE is the end, after which the name is free again.
"""

from enum import Enum
from types import MappingProxyType
from typing import Final

from protos import common_pb2


class State(Enum):
    BUILDING = "being created"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CRASHED = "crashed"
    MIGRATING = "migrating"
    DECIDING = "waiting for the verdict on its migration"
    LOST = "crashed while waiting for the verdict on its migration"
    INCOMING = "incoming"
    GONE = "gone"


class Event(Enum):
    BUILT = "build"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    GUEST_STOPPED = "power off by the guest"
    GUEST_CRASHED = "crash of the guest"
    DOMAIN_DIED = "death of the domain process"
    DESTROY = "destroy"
    MIGRATE = "migrate"
    MIGRATION_READY = "ready to commit"
    MIGRATION_FAILED = "failed migration"
    CANCEL = "cancel"
    RELEASE = "release"
    EXPECT = "expect"
    ACTIVATE = "activate"
    ABORT = "abort"


class IllegalTransition(Exception):
    """What was asked is not possible in this state; nothing was changed."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"is {state.value}: {event.value} is not possible now")
        self.state = state
        self.event = event


_TRANSITIONS: dict[State, dict[Event, State]] = {
    State.BUILDING: {
        Event.BUILT: State.CREATED,
        Event.EXPECT: State.INCOMING,
        Event.DOMAIN_DIED: State.GONE,
        Event.DESTROY: State.GONE,
    },
    State.CREATED: {
        Event.START: State.RUNNING,
        Event.STOP: State.STOPPED,
        Event.DOMAIN_DIED: State.CRASHED,
        Event.DESTROY: State.GONE,
    },
    State.RUNNING: {
        Event.PAUSE: State.PAUSED,
        Event.STOP: State.STOPPED,
        Event.GUEST_STOPPED: State.STOPPED,
        Event.GUEST_CRASHED: State.CRASHED,
        Event.DOMAIN_DIED: State.CRASHED,
        Event.DESTROY: State.GONE,
        Event.MIGRATE: State.MIGRATING,
    },
    State.PAUSED: {
        Event.RESUME: State.RUNNING,
        Event.STOP: State.STOPPED,
        Event.GUEST_STOPPED: State.STOPPED,  # it happened in the instant of the pause
        Event.GUEST_CRASHED: State.CRASHED,
        Event.DOMAIN_DIED: State.CRASHED,
        Event.DESTROY: State.GONE,
    },
    State.STOPPED: {
        Event.START: State.RUNNING,
        Event.STOP: State.STOPPED,
        Event.DOMAIN_DIED: State.STOPPED,  # its process has nothing more to do and is ended
        Event.DESTROY: State.GONE,
    },
    State.CRASHED: {
        Event.START: State.RUNNING,
        Event.STOP: State.STOPPED,
        Event.DOMAIN_DIED: State.CRASHED,
        Event.DESTROY: State.GONE,
    },
    State.MIGRATING: {
        Event.MIGRATION_READY: State.DECIDING,
        Event.MIGRATION_FAILED: State.RUNNING,
        Event.GUEST_STOPPED: State.STOPPED,
        Event.GUEST_CRASHED: State.CRASHED,
        Event.DOMAIN_DIED: State.CRASHED,
    },
    State.DECIDING: {
        Event.CANCEL: State.RUNNING,
        Event.RELEASE: State.GONE,
        Event.DOMAIN_DIED: State.LOST,
    },
    State.LOST: {
        Event.CANCEL: State.CRASHED,
        Event.RELEASE: State.GONE,
        Event.DESTROY: State.GONE,
    },
    State.INCOMING: {
        Event.ACTIVATE: State.RUNNING,
        Event.ABORT: State.GONE,
        Event.DESTROY: State.GONE,
        Event.DOMAIN_DIED: State.GONE,
    },
    State.GONE: {},
}
TRANSITIONS: Final = MappingProxyType(_TRANSITIONS)

REPORTED_AS: Final = MappingProxyType(
    {
        State.BUILDING: common_pb2.VM_STATE_UNSPECIFIED,
        State.CREATED: common_pb2.VM_STATE_CREATED,
        State.RUNNING: common_pb2.VM_STATE_RUNNING,
        State.PAUSED: common_pb2.VM_STATE_PAUSED,
        State.STOPPED: common_pb2.VM_STATE_STOPPED,
        State.CRASHED: common_pb2.VM_STATE_CRASHED,
        State.MIGRATING: common_pb2.VM_STATE_RUNNING,
        State.DECIDING: common_pb2.VM_STATE_PAUSED,
        State.LOST: common_pb2.VM_STATE_CRASHED,
        State.INCOMING: common_pb2.VM_STATE_INCOMING,
        State.GONE: common_pb2.VM_STATE_UNSPECIFIED,
    }
)


def after(state: State, event: Event) -> State:
    """The state that follows, or IllegalTransition."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None
