"""A protected world with one gate, and the two ways to be sent through it."""

from node.ia32.exceptions import deliver_pending
from node.ia32.faults import raise_fault
from tests.node.ia32.protected_world import (
    CODE0,
    World,
)

INTERRUPT32, TRAP32, INTERRUPT16, TRAP16, TASK = 0x8E, 0x8F, 0x86, 0x87, 0x85
OPEN = 0x60  # gate DPL 3
HANDLER = 0x0001_2345


def world_at(level: int, vector: int, access: int, selector: int = CODE0) -> World:
    world = World()
    world.gate(vector, selector, HANDLER, access)
    world.enter_level(level)
    return world


def raise_and_deliver(world: World, vector: int, error: int) -> None:
    world.m.fault = 0
    raise_fault(world.m, vector, error)
    deliver_pending(world.c, world.m)
