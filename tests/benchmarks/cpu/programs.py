"""The measured programs: in which mean each counts, how many rounds take QEMU about a second, what it must print."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks.cpu import reference

Kind = Literal["integer", "float", "system"]


@dataclass(frozen=True, slots=True)
class Program:
    """`name` is the workload of guest.elf; `checksum(rounds)` what it prints at its end."""

    name: str
    kind: Kind
    rounds: int
    checksum: Callable[[int], int]


PROGRAMS = (
    Program("integer", "integer", 1500, reference.integer),
    Program("sieve", "integer", 120, reference.sieve),
    Program("recursion", "integer", 2000, reference.recursion),
    Program("dispatch", "integer", 3750, reference.dispatch),
    Program("quicksort", "integer", 280, reference.quicksort),
    Program("crc32", "integer", 2500, reference.crc32),
    Program("sha256", "integer", 1100, reference.sha256),
    Program("matrix", "integer", 1500, reference.matrix),
    Program("matrix-x87", "float", 48, reference.matrix_x87),
    Program("matrix-sse2", "float", 400, reference.matrix_sse2),
    Program("copy", "integer", 1500, reference.copy),
    Program("chase", "integer", 30, reference.chase),
    Program("text", "integer", 1350, reference.text),
    Program("self-modifying", "system", 500, reference.self_modifying),
    Program("syscalls", "system", 800, reference.syscalls),
    Program("page-faults", "system", 1900, reference.page_faults),
    Program("address-spaces", "system", 430, reference.address_spaces),
)
