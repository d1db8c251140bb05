"""The guest kernel that comes with Limosa: boots in milliseconds, runs the workload that its command line names.

It is the default of the demonstration and of the tests: no network, no foreign binary. See README.md beside this file.
"""

from pathlib import Path

KERNEL = Path(__file__).resolve().parent / "guest.elf"


def builtin_kernel() -> bytes:
    """The Multiboot ELF image."""
    return KERNEL.read_bytes()
