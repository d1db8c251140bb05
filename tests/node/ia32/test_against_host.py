"""Every instruction that user mode may try, against the host's own processor in 32-bit mode.

Compared are registers, EFLAGS, memory, and the exception if there is one; through flat segments, 16-bit code and
stacks, limits, expand-down and read-only data.

One instruction a case, from a random state that is printed when it disagrees. x87 has its own tests of this kind.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from node.ia32.rows import Row
from node.ia32.state import AC, DF, GP, ID, IF, NT, SS_, STATUS_FLAGS, TF
from tests.support.cpu_case import DB, PROTECTED, Case, Outcome, differences, random_case
from tests.support.encode import named_rows
from tests.support.engine import engine_named
from tests.support.host_cpu import HostCpu
from tests.support.seeds import random_for
from tests.support.user_world import UserWorld

FLAGS = STATUS_FLAGS | DF | TF | IF | NT | AC | ID
TOP_OF_MEMORY = 0xFFFF_FFF0

# Rows that unicorn cannot be asked about, but a processor can: they trap, or are refused at level 3.
TRAPS = {"int_3", "into", "bound", "ud2", "arpl", "store_selector", "cli", "sti", "hlt", "clts", "lmsw"}
REFUSED = {
    "mov_from_cr", "mov_to_cr", "mov_from_dr", "mov_to_dr", "load_table", "lldt", "ltr", "rdmsr", "wrmsr", "invlpg",
    "invalidate_caches", "sysexit", "in_immediate", "in_dx", "out_immediate", "out_dx", "ins", "outs",
}  # fmt: skip


def asked(row: Row) -> bool:
    family, name = row.semantic.__module__.rpartition(".")[2], row.semantic.__name__
    return not family.startswith("x87") and (row.oracle or name in TRAPS | REFUSED)


ROWS = {name: row for name, row in named_rows().items() if asked(row)}


def is_comparable(case: Case) -> bool:
    """False where the manual leaves the result open, or makers of processors differ."""
    made, name = case.instruction, case.instruction.row.semantic.__name__
    narrow = made.size == 2
    return not (
        (name == "bswap" and narrow)  # undefined result (SDM 2A, BSWAP)
        or (name == "shift_double" and narrow)  # likewise with a count above 16 (SDM 2B, SHLD)
        or (made.row.code == "0F 0D" and made.address is None)  # #UD on AMD's, nothing on Intel's
        or (name in ("mov_from_cr", "mov_to_cr") and made.locked)  # LOCK MOV CR0 means CR8 on AMD's
    )


def disagreements(case: Case, theirs: Outcome, ours: Outcome) -> list[str]:
    """`differences`, as far as the order of checks and what an interrupted instruction leaves are architectural."""
    name = case.instruction.row.semantic.__name__
    if theirs.vector != DB and ours.vector != DB:
        if ours.cr2 >= TOP_OF_MEMORY and theirs.vector in (SS_, GP):
            return []  # an operand that wraps around 4 GiB: "may or may not" violate the limit (SDM 3A 5.3)
        two_operands = name in ("string", "call_rel", "call_rm", "push_rm")  # in which order they fault is open
        if two_operands:
            theirs = replace(theirs, vector=ours.vector, error=ours.error, cr2=ours.cr2)
        if name == "pop_all":
            theirs = replace(theirs, gpr=ours.gpr)  # AMD's have loaded what they could
    return differences(case, theirs, ours, FLAGS)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    cpu = HostCpu(tmp_path_factory.mktemp("host"))
    yield cpu
    cpu.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[UserWorld]:
    world = UserWorld(engine_named("plain"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def native() -> Iterator[UserWorld]:
    world = UserWorld(engine_named("native"))
    yield world
    world.close()


def compare(name: str, ours: UserWorld, host: HostCpu, cases: int) -> None:
    rng = random_for(f"{name} in {cases} cases")
    for setting in PROTECTED:
        for _ in range(cases):
            case = random_case(rng, ROWS[name], setting)
            if is_comparable(case):
                found = disagreements(case, host.run(case), ours.run(case))
                assert not found, f"{case}\n" + "\n".join(found)


@pytest.mark.parametrize("name", ROWS)
def test_instruction_agrees_with_the_host(name: str, plain: UserWorld, host: HostCpu) -> None:
    compare(name, plain, host, 3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ROWS)
def test_compiled_instruction_agrees_with_the_host(name: str, native: UserWorld, host: HostCpu) -> None:
    compare(name, native, host, 60)
