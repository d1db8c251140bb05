"""Envelopes between an agent and one of its domain processes, over their socketpair.

    | length, 4 bytes little-endian | Envelope (protos/domain.proto), `length` bytes |

The two ends trust each other with the machine but not with memory: a length above `MAX_ENVELOPE_BYTES` or bytes that
are no Envelope end the channel, they are never allocated or skipped. End of file between two frames is the ordinary
end of a domain (or of its agent) and reads as None; inside a frame it is an error.
"""

import asyncio
import socket
import struct

from google.protobuf.message import DecodeError

from protos.domain_pb2 import Envelope

MAX_ENVELOPE_BYTES = 1 << 20
PACKET_BYTES = 4096  # of the template's control socket, which carries short texts
LENGTH = struct.Struct("<I")


class FramingError(Exception):
    """The peer's bytes are no sequence of envelopes; nothing after them can be understood."""


def encode(envelope: Envelope) -> bytes:
    body = envelope.SerializeToString()
    assert len(body) <= MAX_ENVELOPE_BYTES, f"envelope of {len(body)} bytes: the sender must split it"
    return LENGTH.pack(len(body)) + body


class Channel:
    """One end of the socketpair, for one reading task and any number of senders."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> "Channel":
        """Take over a connected unix stream socket; closing the channel closes it."""
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        return cls(reader, writer)

    def send(self, envelope: Envelope) -> None:
        """Queue one envelope; order is kept. A peer that is gone is noticed by the reader."""
        if not self._writer.is_closing():
            self._writer.write(encode(envelope))

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what was queued: for senders of bulk."""
        await self._writer.drain()

    async def receive(self) -> Envelope | None:
        """The next envelope, or None at the end."""
        header = await self._exactly(LENGTH.size, may_end=True)
        if header is None:
            return None
        (length,) = LENGTH.unpack(header)
        if length > MAX_ENVELOPE_BYTES:
            raise FramingError(f"envelope of {length} bytes announced; the limit is {MAX_ENVELOPE_BYTES}")
        body = await self._exactly(length, may_end=False)
        try:
            return Envelope.FromString(body or b"")
        except DecodeError as error:
            raise FramingError(f"{length} bytes that are no envelope") from error

    def close(self) -> None:
        self._writer.close()

    async def _exactly(self, length: int, *, may_end: bool) -> bytes | None:
        try:
            return await self._reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            if may_end and not error.partial:
                return None
            raise FramingError(f"the channel ended {len(error.partial)} bytes into {length}") from error
        except ConnectionError:
            return None  # the peer died with our bytes unread: an end like any other
