"""What a domain tells of itself, beside a guest that runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

from node.domain.figures import figures, news
from node.domain.guest import Guest
from protos.node_pb2 import VmInfo
from tests.support.twin_machine import MACHINERY, TwinMachine

BOUND_S = 10.0


@asynccontextmanager
async def guest(program: str) -> AsyncIterator[Guest]:
    made = Guest(TwinMachine(2 << 20, program), MACHINERY)
    await made.start()
    try:
        yield made
    finally:
        made.stop()


async def test_figures_only_grow_and_need_no_guest_that_stands_still() -> None:
    async with guest("tick=10") as running:
        with running.held():  # the guest's lock is taken: a figure that needed it would never come
            held = await asyncio.wait_for(asyncio.to_thread(figures, running), BOUND_S)
        seen = [held]
        async with asyncio.timeout(BOUND_S):
            while seen[-1].instructions < held.instructions + 10_000:
                await asyncio.sleep(0.001)
                seen.append(figures(running))
    for before, after in pairwise(seen):
        assert after.instructions >= before.instructions
        assert after.console_bytes >= before.console_bytes
        assert after.cpu_ns > before.cpu_ns
    assert seen[-1].counters["exits_console"] > held.counters["exits_console"]
    assert held.resident_bytes > 1 << 20, "a Python process has that much"


async def test_each_collection_adds_the_pages_that_it_finds() -> None:
    async with guest("dirty=5 pages=32") as running:
        with running.held():
            running.machine.start_tracking()
        found = 0
        async with asyncio.timeout(BOUND_S):
            while found < 100:
                await asyncio.sleep(0.001)
                found += len(running.collect_dirty())
        assert figures(running).dirty_pages == found


def test_processor_time_alone_is_no_news() -> None:
    told = VmInfo(instructions=5, cpu_ns=1_000, counters={"tlb_misses": 3})
    later = VmInfo(instructions=5, cpu_ns=2_000, counters={"tlb_misses": 3})
    assert not news(told, later)
    later.counters["tlb_misses"] = 4
    assert news(told, later)
    assert later.cpu_ns == 2_000, "what is told is the time as it was"
