"""The agent's mirror of a console: absolute offsets, many readers, and an end with a reason."""

import asyncio

from node.agent.console import KEPT_BYTES, ConsoleMirror

BOUND_S = 5.0


async def all_of(mirror: ConsoleMirror, from_offset: int = 0) -> tuple[int, bytes, str]:
    """Read to the end: the first offset, the text without gap, and why it ended."""
    start, text = -1, b""
    async with asyncio.timeout(BOUND_S):
        async for output in mirror.follow(from_offset):
            start = output.offset if start < 0 else start
            assert output.offset == start + len(text)
            text += output.data
            if output.closed:
                return start, text, output.closed
    raise AssertionError("the console ended without saying why")


async def test_reader_gets_everything_from_its_offset_and_then_the_reason_of_the_end() -> None:
    mirror = ConsoleMirror()
    mirror.append(0, b"hello, ")
    reading = asyncio.create_task(all_of(mirror, 2))
    await asyncio.sleep(0)
    mirror.append(7, b"world")
    mirror.close("stopped")
    assert await reading == (2, b"llo, world", "stopped")


async def test_closed_mirror_is_still_read_to_its_last_byte() -> None:
    mirror = ConsoleMirror()
    mirror.append(0, b"panic")
    mirror.close("crashed")
    mirror.close("destroyed")
    assert await all_of(mirror) == (0, b"panic", "crashed")


async def test_repeated_output_is_taken_once() -> None:
    mirror = ConsoleMirror()
    mirror.append(0, b"abcdef")
    mirror.append(3, b"defghi")
    mirror.close("moved")
    assert await all_of(mirror) == (0, b"abcdefghi", "moved")


async def test_gap_is_visible_in_the_offset() -> None:
    mirror = ConsoleMirror()
    mirror.append(0, b"old")
    mirror.append(100, b"new")
    mirror.close("moved")
    assert await all_of(mirror) == (100, b"new", "moved")


async def test_only_the_newest_64_kib_are_kept() -> None:
    mirror = ConsoleMirror()
    for n in range(20):
        mirror.append(n * 10_000, bytes([n]) * 10_000)
    mirror.close("stopped")
    start, text, _ = await all_of(mirror)
    assert (start, len(text), text[-1]) == (200_000 - KEPT_BYTES, KEPT_BYTES, 19)


async def test_offset_of_an_earlier_boot_begins_anew() -> None:
    mirror = ConsoleMirror()
    mirror.append(0, b"fresh")
    mirror.close("stopped")
    assert await all_of(mirror, 5000) == (0, b"fresh", "stopped")


async def test_reader_of_an_incoming_vm_waits_for_its_offset() -> None:
    mirror = ConsoleMirror()
    reading = asyncio.create_task(all_of(mirror, 500))
    await asyncio.sleep(0)
    mirror.append(400, b"x" * 200)
    mirror.close("destroyed")
    assert await reading == (500, b"x" * 100, "destroyed")


async def test_two_readers_at_different_paces_read_the_same() -> None:
    mirror = ConsoleMirror()

    async def slow() -> bytes:
        text = b""
        async for output in mirror.follow(0):
            await asyncio.sleep(0.002)
            text += output.data
        return text

    readers = [asyncio.create_task(slow()), asyncio.create_task(all_of(mirror))]
    for n in range(50):
        mirror.append(mirror.end, b"%d;" % n)
        await asyncio.sleep(0)
    mirror.close("stopped")
    one, (_, other, _) = await asyncio.gather(*readers)
    assert one == other == b"".join(b"%d;" % n for n in range(50))
