"""The built-in guest on the unicorn PC, in one line."""

from node.boot.multiboot import load_multiboot
from node.guests.builtin import builtin_kernel
from node.memory.ram import GuestMemory
from tests.support.unicorn_pc import UnicornPc

MIB = 1 << 20


def guest(command_line: str, *, mib: int = 16, instructions_per_tick: int = 200_000) -> UnicornPc:
    """A machine that stands at the kernel's first instruction."""
    memory = GuestMemory(mib * MIB)
    entry = load_multiboot(memory, builtin_kernel(), command_line, [])
    return UnicornPc(memory, entry, instructions_per_tick=instructions_per_tick)
