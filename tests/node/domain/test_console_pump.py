"""From a console log written in another thread to messages at absolute offsets."""

import asyncio
import threading

from node.domain.console_pump import CHUNK_BYTES, ConsolePump
from protos.node_pb2 import ConsoleOutput
from tests.support.twin_machine import TwinConsole

BOUND_S = 10.0


class Reader:
    """The agent's side: what arrived, as one text; it fails on a repetition."""

    def __init__(self) -> None:
        self.text = b""
        self.start: int | None = None
        self.messages = 0

    async def take(self, output: ConsoleOutput) -> None:
        if self.start is None:
            self.start = output.offset
        assert output.offset == self.start + len(self.text)
        assert len(output.data) <= CHUNK_BYTES
        self.text += output.data
        self.messages += 1

    async def has(self, length: int) -> None:
        async with asyncio.timeout(BOUND_S):
            while len(self.text) < length:
                await asyncio.sleep(0.001)


async def test_output_of_another_thread_arrives_whole_in_few_messages() -> None:
    console, reader = TwinConsole(), Reader()
    ConsolePump(console, reader.take).attach(0)
    expected = b"".join(b"line %d\n" % n for n in range(500))

    def write() -> None:
        for byte in expected:
            console.write(bytes([byte]))

    writer = threading.Thread(target=write)
    writer.start()
    await reader.has(len(expected))
    writer.join()
    assert reader.text == expected
    assert reader.messages < len(expected) // 2


async def test_attaching_late_begins_at_the_offset_asked_for() -> None:
    console, reader = TwinConsole(), Reader()
    console.write(b"0123456789")
    ConsolePump(console, reader.take).attach(4)
    await reader.has(6)
    assert (reader.start, reader.text) == (4, b"456789")


async def test_attaching_before_what_is_kept_begins_at_the_oldest_byte() -> None:
    console, reader = TwinConsole(), Reader()
    console.write(bytes(70_000))
    ConsolePump(console, reader.take).attach(0)
    await reader.has(65_536)
    assert reader.start == 70_000 - 65_536


async def test_flush_sends_what_was_written_without_waiting_for_the_follower() -> None:
    console, reader = TwinConsole(), Reader()
    pump = ConsolePump(console, reader.take)
    pump.attach(0)
    console.write(b"last words")
    await pump.flush()
    assert reader.text == b"last words"
    await asyncio.sleep(0.01)
    assert reader.text == b"last words"


async def test_output_during_a_slow_send_is_neither_lost_nor_repeated() -> None:
    console, reader = TwinConsole(), Reader()

    async def slowly(output: ConsoleOutput) -> None:
        await asyncio.sleep(0.005)
        await reader.take(output)

    pump = ConsolePump(console, slowly)
    pump.attach(0)
    for n in range(20):
        console.write(b"%d " % n)
        await asyncio.sleep(0.002)
    await reader.has(console.total)
    assert reader.text.split() == [b"%d" % n for n in range(20)]
