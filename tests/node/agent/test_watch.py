"""Watchers hear the present, then every change; one that never listens is let go."""

import asyncio

import pytest

from node.agent.errors import ResourceExhausted
from node.agent.watch import QUEUE_EVENTS, Watchers
from protos.node_pb2 import NodeEvent


async def test_watcher_hears_the_present_then_each_change_in_order() -> None:
    watchers, heard = Watchers(), []

    async def watch() -> None:
        async for event in watchers.follow([NodeEvent(vm="present")]):
            heard.append(event.vm)
            if event.vm == "4":
                return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    for n in range(5):
        watchers.publish(NodeEvent(vm=str(n)))
    await asyncio.wait_for(watching, 5)
    assert heard == ["present", "0", "1", "2", "3", "4"]


async def test_watcher_that_falls_behind_is_told_so() -> None:
    watchers = Watchers()
    watching = watchers.follow([NodeEvent(vm="present")])
    await anext(watching)
    for n in range(QUEUE_EVENTS + 100):
        watchers.publish(NodeEvent(vm=str(n)))
    with pytest.raises(ResourceExhausted, match="behind"):
        async with asyncio.timeout(5):
            async for event in watching:
                assert int(event.vm) < QUEUE_EVENTS
