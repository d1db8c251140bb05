"""The console of a VM, wherever it runs: a proxy that follows it from node to node.

The guest's output is numbered by absolute offsets that travel with the VM, so following is arithmetic: keep the offset
of the next byte wanted, ask whichever node owns the VM to send from there, drop what comes twice. Nothing is missed
and nothing repeated, whenever the change of nodes happens. Input typed while the guest stands still for the hand-over
is held back until its new (or old) owner runs it, because the copy that is being left must not swallow it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

from controller.abandon import abandon
from controller.changes import Changes
from controller.errors import ControllerError, NotFound
from controller.inventory import Inventory
from controller.journal import Journal
from controller.lifecycle import MigrationState
from controller.migrations import Migrations
from protos import controller_pb2, node_pb2

STANDSTILL = frozenset({"stop-and-copy", "verify", "activating"})
RETRY_S = 0.2
TYPED_BYTES_MAX = 1 << 16

Output = controller_pb2.ConsoleOutput
Message = TypeVar("Message")


class Typed:
    """What the client typed and no copy has been given yet; bounded, so that a flood waits at its origin."""

    def __init__(self) -> None:
        self.pending = bytearray()
        self.changes = Changes()

    async def fill(self, first: bytes, inputs: AsyncIterator[controller_pb2.ConsoleInput]) -> None:
        """Collect until the client's side of the stream has ended and everything was taken."""
        self._add(first)
        async for message in inputs:
            while len(self.pending) > TYPED_BYTES_MAX:
                await self.changes.beyond(self.changes.count)
            self._add(message.data)
        while self.pending:
            await self.changes.beyond(self.changes.count)

    def take(self) -> bytes:
        data = bytes(self.pending)
        self.pending.clear()
        self.changes.notify()
        return data

    def _add(self, data: bytes) -> None:
        if data:
            self.pending += data
            self.changes.notify()


class ConsoleProxy:
    """Consoles of all VMs, for any number of clients."""

    def __init__(self, journal: Journal, inventory: Inventory, migrations: Migrations, changes: Changes) -> None:
        self._journal = journal
        self._inventory = inventory
        self._migrations = migrations
        self._changes = changes

    async def attach(self, inputs: AsyncIterator[controller_pb2.ConsoleInput]) -> AsyncGenerator[Output, None]:
        """Output from the first message's offset on, until the guest ends (said why) or the client does."""
        first = await anext(inputs, None)
        if first is None:
            return
        self._journal.vm(first.vm)
        typed = Typed()
        reader = asyncio.create_task(typed.fill(first.data, inputs), name=f"console input {first.vm}")
        try:
            async with aclosing(self._follow(first.vm, first.from_offset, typed)) as outputs:
                while (output := await _unless(reader, outputs)) is not None:
                    yield output
        finally:
            reader.cancel()

    async def _follow(self, vm: str, offset: int, typed: Typed) -> AsyncGenerator[Output, None]:
        """One owner after the other, each asked for what comes after the last byte sent on."""
        while True:
            seen = self._changes.count
            closed = ""
            try:
                async with aclosing(self._on_owner(vm, offset, typed)) as outputs:
                    async for output in outputs:
                        if output.data:
                            offset = output.offset + len(output.data)
                            yield Output(offset=output.offset, data=output.data)
                        closed = output.closed
            except ControllerError:
                closed = "" if self._journal.has_vm(vm) else "destroyed"
            if closed == "destroyed" or (closed and closed != "moved" and not self._journal.live_migration_of(vm)):
                yield Output(offset=offset, closed=closed)
                return
            await self._changed_or_later(seen)

    async def _on_owner(self, vm: str, offset: int, typed: Typed) -> AsyncGenerator[node_pb2.ConsoleOutput, None]:
        """Output of the copy that owns the VM, from `offset`, without repetition, until it is the owner no more."""
        node, epoch = await self._owner(vm)
        moved = asyncio.create_task(self._moved(vm, epoch), name=f"console watch {vm}")
        try:
            async with aclosing(self._inventory.agent(node).console(self._inputs(vm, offset, typed))) as outputs:
                while (output := await _unless(moved, outputs)) is not None:
                    fresh = drop_repeated(output, offset)
                    offset = max(offset, fresh.offset + len(fresh.data))
                    yield fresh
        finally:
            moved.cancel()

    async def _owner(self, vm: str) -> tuple[str, int]:
        """Node and epoch of the copy that runs or last ran; after a commit, once the target is activated."""
        while True:
            seen = self._changes.count
            row = self._journal.vm(vm)
            live = self._journal.live_migration_of(vm)
            if live is None or live.state is not MigrationState.COMMITTED:
                return row.node, row.epoch
            await self._changes.beyond(seen)

    async def _moved(self, vm: str, epoch: int) -> None:
        """Returns when the VM has another owner, or is gone."""
        while True:
            seen = self._changes.count
            try:
                if self._journal.vm(vm).epoch != epoch:
                    return
            except NotFound:
                return
            await self._changes.beyond(seen)

    async def _inputs(self, vm: str, offset: int, typed: Typed) -> AsyncGenerator[node_pb2.ConsoleInput, None]:
        """The node's side of the input: taken from `typed` only in the moment it is sent."""
        yield node_pb2.ConsoleInput(vm=vm, from_offset=offset)
        while True:
            changed, keys = self._changes.count, typed.changes.count
            if not typed.pending:
                await typed.changes.beyond(keys)
            elif self._migrations.phase_of(vm) in STANDSTILL:
                await self._changes.beyond(changed)
            else:
                yield node_pb2.ConsoleInput(data=typed.take())

    async def _changed_or_later(self, seen: int) -> None:
        try:
            await asyncio.wait_for(self._changes.beyond(seen), RETRY_S)
        except TimeoutError:
            return


def drop_repeated(output: node_pb2.ConsoleOutput, wanted: int) -> node_pb2.ConsoleOutput:
    """The part of `output` from offset `wanted` on (all of it, if older bytes are no longer kept)."""
    repeated = min(len(output.data), max(0, wanted - output.offset))
    return node_pb2.ConsoleOutput(offset=output.offset + repeated, data=output.data[repeated:], closed=output.closed)


async def _unless(stop: "asyncio.Task[None]", outputs: AsyncIterator[Message]) -> Message | None:
    """The next output, or None at the end or as soon as `stop` is done."""
    coming = asyncio.ensure_future(anext(outputs, None))
    try:
        await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        await abandon(coming)
