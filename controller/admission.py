"""May this node join under that name? A name is one node's, and a node is known by where it answers.

    the name is new, or its node joins from its old address      welcome: the second is a node that was restarted
    another address, and the node known by the name answers      refused: there are two, and the first was first
    another address, and it does not answer                      welcome: the newcomer takes its place

Whether the known node counts as ready does not matter: one whose Join stream has just broken, or that has not found
this controller again after a restart, still has its VMs. One question at a time for each name, so that of two
newcomers the second finds the first.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.clock import Clock
from controller.errors import AlreadyExists, NotFound
from controller.inventory import Inventory, Node
from controller.lifecycle import NodeState
from controller.rows import NodeRow

ANSWER_S = 2.0


class Admission:
    """Asks at most one node at a time for each name."""

    def __init__(self, inventory: Inventory, clock: Clock) -> None:
        self._inventory = inventory
        self._clock = clock
        self._doors: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def of(self, row: NodeRow) -> AsyncIterator[str]:
        """Raises AlreadyExists, or lets the caller take the node in, alone; yields the address of the node that has not
        left and whose place it takes, or ""."""
        async with self._doors[row.name]:
            known = self._known(row.name)
            if known is None or known.row.address == row.address:
                yield ""
                return
            if await self._answers(known):
                raise AlreadyExists(
                    f"a node named {row.name} is in this cluster already and answers at {known.row.address};"
                    f" give the one at {row.address} another --name, or end the other first"
                )
            yield known.row.address if known.state is NodeState.READY else ""

    def _known(self, name: str) -> Node | None:
        try:
            return self._inventory.node(name)
        except NotFound:
            return None

    async def _answers(self, node: Node) -> bool:
        """Under its own name, for its address may have become another's."""
        asking = asyncio.ensure_future(node.agent.describe())
        bound = asyncio.ensure_future(self._clock.sleep(ANSWER_S))
        try:
            await asyncio.wait({asking, bound}, return_when=asyncio.FIRST_COMPLETED)
            return asking.done() and asking.exception() is None and asking.result().name == node.row.name
        finally:
            for task in (asking, bound):
                task.cancel()
            await asyncio.gather(asking, bound, return_exceptions=True)
