"""Tells every watcher of this node what happens to its VMs, in order. One that falls behind is told so and let go."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from node.agent.errors import ResourceExhausted
from protos.node_pb2 import NodeEvent

QUEUE_EVENTS = 1024


class Watchers:
    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[NodeEvent | None]] = set()

    def publish(self, event: NodeEvent) -> None:
        for queue in self._queues:
            if queue.qsize() < QUEUE_EVENTS:
                queue.put_nowait(event)
            elif queue.qsize() == QUEUE_EVENTS:
                queue.put_nowait(None)  # the last thing it hears

    async def follow(self, present: Iterable[NodeEvent]) -> AsyncIterator[NodeEvent]:
        """The present state of every VM, then each change."""
        queue: asyncio.Queue[NodeEvent | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            for event in present:
                yield event
            while (event_or_end := await queue.get()) is not None:
                yield event_or_end
            raise ResourceExhausted(f"the watcher fell {QUEUE_EVENTS} events behind: watch again")
        finally:
            self._queues.discard(queue)
