"""The agent's end of a template's control socket: whole packets in order, and its end as a last, empty one.

Owned by one supervision of one template process (`node.agent.template`), which closes it; whoever waits for a packet
then gets the empty one. The packets: `node.domain.template`.
"""

import asyncio
import os
import socket
from dataclasses import dataclass

from node.domain.framing import PACKET_BYTES


@dataclass(frozen=True, slots=True)
class Packet:
    """`verb` is empty at the end. Whoever takes a packet owns its descriptors."""

    verb: str
    text: str = ""
    descriptors: tuple[int, ...] = ()


END = Packet("")


class Control:
    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs: socket.socket = theirs  # for the template, at its start
        self._ours.setblocking(False)
        self._packets: asyncio.Queue[Packet] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours.fileno(), self._read)
        self._open = True

    def ask_fork(self, name: str, channel: socket.socket) -> None:
        """Raises OSError when the template is gone."""
        socket.send_fds(self._ours, [f"fork {name}".encode()], [channel.fileno()])

    async def receive(self) -> Packet:
        packet = await self._packets.get()
        if packet is END:
            self._packets.put_nowait(END)  # it stays the end for whoever asks next
        return packet

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._ours.fileno())
            self._ours.close()
        self._packets.put_nowait(END)

    def drop_unclaimed(self) -> None:
        """Close the descriptors of packets that nobody will take."""
        while not self._packets.empty():
            for descriptor in self._packets.get_nowait().descriptors:
                os.close(descriptor)
        self._packets.put_nowait(END)

    def _read(self) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._ours, PACKET_BYTES, 1)
        except BlockingIOError:
            return
        except ConnectionError:
            packet, descriptors = b"", []
        if not packet:
            self.close()
            return
        verb, _, text = packet.decode().partition(" ")
        self._packets.put_nowait(Packet(verb, text, tuple(descriptors)))
