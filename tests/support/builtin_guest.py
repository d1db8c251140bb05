"""The built-in guest at its first instruction on a CPU that is not ours, in one line."""

from node.boot.multiboot import UNNAMED, load_multiboot
from node.guests.builtin import builtin_kernel
from node.memory.ram import GuestMemory
from tests.support.platform_pc import PlatformPc
from tests.support.unicorn_pc import UnicornPc

MIB = 1 << 20


def guest(
    command_line: str, *, mib: int = 16, instructions_per_tick: int = 200_000, file_name: str = UNNAMED
) -> UnicornPc:
    """On the smallest PC, whose time the test turns."""
    memory = GuestMemory(mib * MIB)
    entry = load_multiboot(memory, builtin_kernel(), command_line, [], file_name=file_name)
    return UnicornPc(memory, entry, instructions_per_tick=instructions_per_tick)


def guest_on_platform(command_line: str, *, mib: int = 16) -> PlatformPc:
    """On our own devices."""
    memory = GuestMemory(mib * MIB)
    return PlatformPc(memory, load_multiboot(memory, builtin_kernel(), command_line, []))
