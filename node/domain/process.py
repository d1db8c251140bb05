"""A domain: the process of one virtual machine. It executes what its agent asks, one request after another.

Requests and notices are protos/domain.proto's. A request is answered with its id by `done`, `info`, `listening` or
`error`; notices carry id 0. Which request makes sense in which state of the VM is the agent's table
(`node.domain.lifecycle`); here only what would break the machine is refused.

The process belongs to its agent: when the channel ends, it ends, at once and without clean-up of its own. So a guest
that waits for the verdict on its migration cannot be woken by its host's death, and nothing survives an agent.
"""

import asyncio
import os
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from node.boot.entry import BootError
from node.domain import boot_files, figures
from node.domain.console_pump import ConsolePump
from node.domain.framing import Channel, FramingError
from node.domain.guest import Guest
from node.domain.incoming import Incoming
from node.domain.machinery import Machinery, Refused
from node.domain.outgoing import Outgoing
from protos import common_pb2
from protos.domain_pb2 import Done, Envelope, Error, Listening
from protos.node_pb2 import ConsoleOutput, MigrationEvent, NodeEvent, VmInfo

CRASHES = frozenset({"triple-fault", "error"})
UNFINISHED_FRAME = 71
SWITCH_S = 0.0005  # how long the guest, back from native code, may wait for a loop busy with pages


def run(sock: socket.socket, kind: Machinery) -> NoReturn:
    """Be a domain until the agent lets go; never returns."""
    sys.setswitchinterval(SWITCH_S)
    uvloop.run(_serve(sock, kind))
    raise AssertionError("a domain ends by exit")


async def _serve(sock: socket.socket, kind: Machinery) -> NoReturn:
    domain = Domain(await Channel.over(sock), kind)
    try:
        await domain.serve()
    except FramingError:
        os._exit(UNFINISHED_FRAME)
    os._exit(0)


class Domain:
    """One VM: its guest once built, its migrations, and the answers to its agent."""

    def __init__(self, channel: Channel, kind: Machinery) -> None:
        self._channel = channel
        self._kind = kind
        self._guest: Guest | None = None
        self._pump: ConsolePump | None = None
        self._incoming: Incoming | None = None
        self._outgoing: Outgoing | None = None
        self._watching: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Answer until the channel ends."""
        while (envelope := await self._channel.receive()) is not None:
            await self._answer(envelope)

    async def _answer(self, envelope: Envelope) -> None:
        kind = envelope.WhichOneof("body")
        try:
            handler = HANDLERS.get(kind or "")
            if handler is None:
                raise Refused("invalid-argument", f"a domain does not understand {kind!r}")
            answer = await handler(self, getattr(envelope, kind or ""))
        except Refused as refused:
            answer = {"error": Error(kind=refused.kind, text=str(refused))}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": Error(kind="internal", text=f"{type(error).__name__}: {error}")}
        self._channel.send(Envelope(id=envelope.id, **answer))

    async def _build(self, build: Any) -> dict[str, Any]:
        if self._guest is not None:
            raise Refused("failed-precondition", "this domain has its machine already")
        files = {digest: Path(path) for digest, path in build.files.items()}
        try:
            boot = boot_files.read(build.spec.boot, files, incoming=build.incoming)
        except BootError as error:
            raise Refused("invalid-argument", str(error)) from error
        guest = Guest(self._kind.build(build.spec, boot, incoming=build.incoming), self._kind)
        self._guest = guest
        self._pump = ConsolePump(guest.machine.console, self._send_console)
        self._watching = asyncio.create_task(self._report_stop(guest), name="report stop")
        return {"done": Done()}

    async def _start(self, _: object) -> dict[str, Any]:
        await self._machine().start()
        self._tell_figures()
        return {"done": Done()}

    async def _pause(self, _: object) -> dict[str, Any]:
        self._machine().pause()
        return {"done": Done()}

    async def _resume(self, _: object) -> dict[str, Any]:
        self._machine().resume()
        return {"done": Done()}

    async def _stop(self, _: object) -> dict[str, Any]:
        """Power off; the answer is the machine's last description, after its last output."""
        self._machine().stop()
        if self._pump is not None:
            await self._pump.flush()
        return {"info": self._info()}

    async def _describe(self, _: object) -> dict[str, Any]:
        return {"info": self._info()}

    async def _console_input(self, data: bytes) -> dict[str, Any]:
        self._machine().serial_input(data)
        return {"done": Done()}

    async def _console_attach(self, offset: int) -> dict[str, Any]:
        self._machine()
        assert self._pump is not None
        self._pump.attach(offset)
        return {"done": Done()}

    async def _listen(self, listen: Any) -> dict[str, Any]:
        if self._incoming is not None:
            raise Refused("failed-precondition", "this domain expects a migration already")
        self._incoming = Incoming(self._machine(), token=listen.token, migration_id=listen.migration_id)
        port = await self._incoming.listen(listen.host, self._incoming_ended)
        return {"listening": Listening(host=listen.host, port=port)}

    async def _migrate_out(self, request: Any) -> dict[str, Any]:
        if self._outgoing is not None and not self._outgoing.ended:
            raise Refused("failed-precondition", f"migration {self._outgoing.migration_id} is under way")
        self._outgoing = Outgoing(self._machine(), request, self._send_event)
        self._outgoing.start()
        return {"done": Done()}

    async def _cancel_migration(self, migration_id: str) -> dict[str, Any]:
        """Answered when the guest runs again as before."""
        if self._outgoing is not None and self._outgoing.migration_id == migration_id:
            await self._outgoing.cancel()
        return {"done": Done()}

    async def _activate(self, migration_id: str) -> dict[str, Any]:
        if self._incoming is None or self._incoming.migration_id != migration_id:
            raise Refused("failed-precondition", f"this domain expects no migration {migration_id}")
        await self._incoming.activate()
        self._tell_figures()
        return {"done": Done()}

    def _machine(self) -> Guest:
        if self._guest is None:
            raise Refused("failed-precondition", "this domain has no machine yet")
        return self._guest

    def _info(self) -> VmInfo:
        return figures.figures(self._machine())

    def _tell_figures(self) -> None:
        """From now on, unasked: so whoever wants to know how the guest does need not ask, nor wait."""
        if self._telling is None:
            self._telling = asyncio.create_task(self._keep_telling(), name="figures")

    async def _keep_telling(self) -> None:
        told = VmInfo()
        while True:
            await asyncio.sleep(figures.EVERY_S)
            now = self._info()
            if figures.news(told, now):
                self._notify(info=now)
                told = now

    async def _report_stop(self, guest: Guest) -> None:
        """When the guest will not run on: its last output, its last description, then why."""
        stopped = await guest.stopped
        if self._outgoing is not None:
            await self._outgoing.guest_stopped(stopped.text or stopped.kind)
        if self._pump is not None:
            await self._pump.flush()
        crashed = stopped.kind in CRASHES
        state = common_pb2.VM_STATE_CRASHED if crashed else common_pb2.VM_STATE_STOPPED
        self._notify(info=self._info())
        self._notify(state_changed=NodeEvent(state=state, reason=stopped.text or stopped.kind))

    async def _send_console(self, output: ConsoleOutput) -> None:
        self._notify(console_output=output)
        await self._channel.drain()

    def _send_event(self, event: MigrationEvent) -> None:
        self._notify(migration_event=event)

    def _incoming_ended(self, event: MigrationEvent) -> None:
        self._notify(migration_event=event)

    def _notify(self, **body: Any) -> None:
        self._channel.send(Envelope(id=0, **body))


HANDLERS: dict[str, Callable[[Domain, Any], Awaitable[dict[str, Any]]]] = {
    "build": Domain._build,
    "start": Domain._start,
    "pause": Domain._pause,
    "resume": Domain._resume,
    "stop": Domain._stop,
    "describe": Domain._describe,
    "console_input": Domain._console_input,
    "console_attach": Domain._console_attach,
    "listen": Domain._listen,
    "migrate_out": Domain._migrate_out,
    "cancel_migration": Domain._cancel_migration,
    "activate": Domain._activate,
}
