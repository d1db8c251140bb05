"""One VM of this node: its specification, its state, its process if it has one, and what is remembered of it.

The state changes only in `apply`, by the table of `node.domain.lifecycle`, and every change is told to the watchers.
`lock` is held by whoever changes the state, from the question whether it may be changed to the change itself.
"""

import asyncio
import contextlib
from collections.abc import Callable

from node.agent.console import ConsoleMirror
from node.agent.domain_link import DomainLink
from node.agent.errors import FailedPrecondition, NodeError
from node.agent.notices import Notices
from node.agent.outgoing import OutgoingMigration
from node.domain.lifecycle import REPORTED_AS, Event, IllegalTransition, State, after
from protos.common_pb2 import VmSpec
from protos.domain_pb2 import Empty
from protos.node_pb2 import NodeEvent, VmInfo

DESCRIBE_S = 5.0


class HostedVm:
    def __init__(self, spec: VmSpec, *, request_id: str, publish: Callable[[NodeEvent, str], None]) -> None:
        """`publish` hears each change, with the id of the migration that it belongs to, or ""."""
        self.spec = spec
        self.request_id = request_id
        self.state = State.BUILDING
        self.reason = ""
        self.lock = asyncio.Lock()
        self.console = ConsoleMirror()
        self.link: DomainLink | None = None
        self.notices: Notices | None = None
        self.outgoing: OutgoingMigration | None = None
        self.incoming_id = ""
        self.memory_reserved = 0
        self.building_ns = 0
        self.create_to_first_instruction_ns = 0
        self._last = VmInfo()
        self._publish = publish

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def process(self) -> DomainLink:
        """The link to its process, for a state that has one."""
        if self.link is None:
            raise FailedPrecondition(f"VM {self.name!r} {State(self.state).value} has no process")
        return self.link

    def require(self, event: Event) -> None:
        """Raise FailedPrecondition unless `event` is possible now."""
        try:
            after(self.state, event)
        except IllegalTransition as illegal:
            raise FailedPrecondition(f"VM {self.name!r} {illegal}") from None

    def apply(self, event: Event, reason: str = "") -> None:
        """Change the state and tell the watchers."""
        self.require(event)
        begun = self.migration_id
        self.state = after(self.state, event)
        self.reason = reason
        self._publish(self.event(), begun or self.migration_id)

    @property
    def ids(self) -> dict[str, str]:
        """For the log."""
        return log_ids(self.name, self.migration_id)

    def event(self) -> NodeEvent:
        return NodeEvent(vm=self.name, state=REPORTED_AS[self.state], reason=self.reason)

    @property
    def last(self) -> VmInfo:
        """What its domain last said of the machine; empty until it has. Never changed, so any thread may read it."""
        return self._last

    def remember(self, info: VmInfo) -> None:
        """Keep what the domain said of its machine; it may be all there is to say later. What an answer brought sooner
        than an earlier notice is not undone by that notice: figures that count must not step back."""
        if info.cpu_ns >= self._last.cpu_ns:
            self._last = info

    def forget(self) -> None:
        """What was said so far was of another machine."""
        self._last = VmInfo()

    async def describe(self) -> VmInfo:
        """Its present description; the domain's figures are the last known ones if it does not answer."""
        if self.link is not None:
            with contextlib.suppress(NodeError):  # not built yet, or dying: the state below says so
                self.remember((await self.link.ask(describe=Empty(), timeout_s=DESCRIBE_S)).info)
        info = VmInfo()
        info.CopyFrom(self._last)
        info.spec.CopyFrom(self.spec)
        info.state = REPORTED_AS[self.state]
        info.reason = self.reason
        info.pid = self.link.pid if self.link is not None else 0
        info.create_to_first_instruction_ns = self.create_to_first_instruction_ns
        info.migration_id = self.migration_id
        return info

    @property
    def migration_id(self) -> str:
        """The migration it is part of, if any."""
        if self.state in (State.MIGRATING, State.DECIDING) and self.outgoing is not None:
            return self.outgoing.migration_id
        return self.incoming_id if self.state is State.INCOMING else ""

    async def end_process(self, closing: str) -> None:
        """End its process, free its memory, and tell its console's readers why; returns when all is gone."""
        link, self.link, self.notices = self.link, None, None
        if link is not None:
            await link.kill()
            self._last = _without_process(self._last)
        self.memory_reserved = 0
        self.console.close(closing)


def log_ids(vm: str, migration_id: str) -> dict[str, str]:
    return {"vm": vm, "migration": migration_id} if migration_id else {"vm": vm}


def _without_process(info: VmInfo) -> VmInfo:
    left = VmInfo()
    left.CopyFrom(info)
    left.resident_bytes = 0
    return left
