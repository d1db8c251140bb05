"""Which nodes are there now, how to reach them, and what they last reported of their VMs.

The journal knows every node that ever joined and who owns each VM; this file knows the present. A node is `ready`
as long as its Join stream lives. A node that is not ready may still answer: recovery asks it at its recorded address.
"""

from dataclasses import dataclass, field

from controller.agents import Dial, NodeAgent
from controller.errors import NodeUnreachable, NotFound
from controller.journal import Journal
from controller.lifecycle import NODE, NodeState, step
from controller.rows import NodeRow
from protos import node_pb2


@dataclass(slots=True)
class Node:
    """One node's present."""

    row: NodeRow
    agent: NodeAgent
    state: NodeState = NodeState.GONE
    incarnation: int = 0  # the join's number, so that the end of an old stream is not taken for the end of the new one
    metrics_address: str = ""  # while it is there: host:port of its /metrics, if it has any
    observed: dict[str, node_pb2.VmInfo] = field(default_factory=dict)


class Inventory:
    """All nodes of the journal, `gone` until they join."""

    def __init__(self, journal: Journal, dial: Dial) -> None:
        self._dial = dial
        self._joins = 0
        self._nodes = {row.name: Node(row, dial(row.name, row.address)) for row in journal.nodes()}

    def nodes(self) -> list[Node]:
        return [self._nodes[name] for name in sorted(self._nodes)]

    def ready(self) -> list[Node]:
        return [node for node in self.nodes() if node.state is NodeState.READY]

    def node(self, name: str) -> Node:
        if name not in self._nodes:
            known = ", ".join(sorted(self._nodes)) or "none has joined"
            raise NotFound(f"there is no node named {name!r} (nodes: {known})")
        return self._nodes[name]

    def ready_node(self, name: str) -> Node:
        """The node, if it can be asked to do something new."""
        node = self.node(name)
        if node.state is not NodeState.READY:
            raise NodeUnreachable(f"node {name} is gone; `limosa nodes` shows the nodes, `limosa up` restarts it")
        return node

    def agent(self, name: str) -> NodeAgent:
        """The way to a node, ready or not."""
        return self.node(name).agent

    async def join(self, row: NodeRow, *, metrics_address: str = "") -> Node:
        """A node's Join stream began."""
        node = self._nodes.get(row.name)
        if node is None:
            node = self._nodes[row.name] = Node(row, self._dial(row.name, row.address))
        elif node.row.address != row.address:
            await node.agent.close()
            node.agent = self._dial(row.name, row.address)
        node.row, node.metrics_address = row, metrics_address
        node.state = step(NODE, node.state, "join", what=f"node {row.name}")
        self._joins += 1
        node.incarnation = self._joins
        return node

    def leave(self, name: str, incarnation: int) -> bool:
        """A Join stream ended; false if a newer one has replaced it."""
        node = self._nodes.get(name)
        if node is None or node.incarnation != incarnation:
            return False
        node.state = step(NODE, node.state, "leave", what=f"node {name}")
        node.metrics_address = ""
        node.observed.clear()
        return True

    async def forget(self, name: str) -> None:
        """A node that is gone for good."""
        await self._nodes.pop(name).agent.close()

    async def close(self) -> None:
        for node in self._nodes.values():
            await node.agent.close()
