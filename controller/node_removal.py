"""Forgetting a node that is gone for good: refused as long as anything depends on it."""

from controller.errors import Refused
from controller.inventory import Inventory
from controller.journal import Journal
from controller.lifecycle import NodeState


async def forget_node(journal: Journal, inventory: Inventory, name: str) -> None:
    """Remove the node from journal and inventory; should it join again, it is a new one."""
    if inventory.node(name).state is NodeState.READY:
        raise Refused(f"node {name} is ready; end its process first, then forget it")
    owned = [row.name for row in journal.vms_on(name)]
    if owned:
        raise Refused(
            f"node {name} owns {', '.join(owned)}; bring it back, or give them up first: `limosa destroy {owned[0]}`"
        )
    for row in journal.live_migrations():
        if name in (row.source, row.target):
            raise Refused(f"job {row.id} still has to hear of node {name}; wait until it has ended: `limosa jobs`")
    journal.forget_node(name, text=f"{name} was forgotten: it is gone for good")
    await inventory.forget(name)
