"""The channel between agent and domain, over a real socketpair in one process."""

import asyncio
import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.framing import LENGTH, MAX_ENVELOPE_BYTES, Channel, FramingError, encode
from protos.domain_pb2 import Done, Empty, Envelope


async def channel_and_peer() -> tuple[Channel, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    return await Channel.over(ours), theirs


async def received(*chunks: bytes) -> Envelope | None:
    """What a channel makes of these bytes and the end after them."""
    channel, peer = await channel_and_peer()
    with peer:
        for chunk in chunks:
            peer.sendall(chunk)
            await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            return await channel.receive()
    finally:
        channel.close()


async def test_envelopes_arrive_in_the_order_in_which_they_were_sent() -> None:
    sender, peer = await channel_and_peer()
    peer.setblocking(False)
    receiver = await Channel.over(peer)
    sent = [Envelope(id=n, done=Done(duration_ns=n)) for n in range(1, 200)]
    for envelope in sent:
        sender.send(envelope)
    assert [await receiver.receive() for _ in sent] == sent
    sender.close()
    assert await receiver.receive() is None
    receiver.close()


@pytest.mark.parametrize("cut", [1, 3, 4, 5])
async def test_end_inside_a_frame_is_an_error(cut: int) -> None:
    with pytest.raises(FramingError, match="ended"):
        await received(encode(Envelope(id=7, start=Empty()))[:cut])


async def test_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(FramingError, match="limit"):
        await received(LENGTH.pack(MAX_ENVELOPE_BYTES + 1))


async def test_bytes_that_are_no_envelope_are_an_error() -> None:
    with pytest.raises(FramingError, match="no envelope"):
        await received(LENGTH.pack(3), b"\xff\xff\xff")


async def test_largest_envelope_passes() -> None:
    envelope = Envelope(id=1, console_input=b"x" * (MAX_ENVELOPE_BYTES - 16))
    sender, peer = await channel_and_peer()
    peer.setblocking(False)
    receiver = await Channel.over(peer)
    sender.send(envelope)
    assert await receiver.receive() == envelope
    sender.close()
    receiver.close()


@given(st.binary(max_size=64))
def test_any_bytes_are_an_envelope_an_end_or_an_error(junk: bytes) -> None:
    with contextlib.suppress(FramingError):
        asyncio.run(received(junk))


async def test_sending_to_a_peer_that_is_gone_is_not_an_error_of_the_sender() -> None:
    channel, peer = await channel_and_peer()
    peer.close()
    for _ in range(3):
        channel.send(Envelope(id=1, start=Empty()))
        await asyncio.sleep(0)
    assert await channel.receive() is None
    channel.close()
