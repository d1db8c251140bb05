"""Model-specific registers by RDMSR and WRMSR."""

from node.ia32.semantics.system import rdmsr, wrmsr
from node.ia32.state import EAX, ECX, EDX, M32
from tests.node.ia32.protected_world import World


def msr(world: World, index: int, value: int | None = None) -> int | tuple[int, int]:
    """What RDMSR gives, or 0 after WRMSR of `value`; the fault, if there is one."""
    world.c.gpr[ECX] = index
    if value is not None:
        world.c.gpr[EAX], world.c.gpr[EDX] = value & M32, value >> 32
        return world.do(wrmsr) or 0
    fault = world.do(rdmsr)
    return fault or int(world.c.gpr[EDX]) << 32 | int(world.c.gpr[EAX])
