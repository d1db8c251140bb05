"""Every instruction that user mode may try, against the host's own processor in 32-bit mode.

Compared are registers, EFLAGS, memory, and the exception if there is one; through flat segments, 16-bit code and
stacks, limits, expand-down and read-only data.

One instruction a case, from a random state that is printed when it disagrees. x87 has its own tests of this kind.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from node.ia32.rows import Row
from node.ia32.state import AC, ATTR_D, DF, EDI, ESI, ESP, GP, ID, IF, M16, M32, NT, SS, SS_, STATUS_FLAGS, TF
from tests.support.cpu_case import (
    DB,
    PROTECTED,
    SETTINGS,
    WINDOW,
    WINDOW_BYTES,
    Case,
    Outcome,
    differences,
    undefined_flags,
)
from tests.support.encode import named_rows
from tests.support.engine import engine_named
from tests.support.host_cpu import HostCpu
from tests.support.random_case import random_case
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
    """`differences`, as far as the order of checks and what an unfinished instruction leaves are architectural."""
    name = case.instruction.row.semantic.__name__
    if theirs.vector != DB and ours.vector != DB:
        if max(ours.cr2, theirs.cr2) >= TOP_OF_MEMORY and {ours.vector, theirs.vector} & {SS_, GP}:
            return []  # an operand that wraps around 4 GiB: "may or may not" violate the limit (SDM 3A 5.3)
        theirs = _in_our_order(name, theirs, ours)
    if name == "string" and theirs.eip == case.eip:  # AMD's have the last iteration's flags, Intel's the first one's
        theirs = replace(theirs, eflags=ours.eflags)
    if name == "push_segment" and case.instruction.size == 4:
        if ours.vector != DB:
            return []  # perhaps over the upper half of the slot, which not all processors write
        theirs = _zero_extended(case, theirs)
    return differences(case, theirs, ours, FLAGS)


def _in_our_order(name: str, theirs: Outcome, ours: Outcome) -> Outcome:
    """Both faulted. In which order two operands are looked at is open, and so is what was done before the second."""
    if name in ("string", "call_rel", "call_rm", "push_rm", "bound"):
        theirs = replace(theirs, vector=ours.vector, error=ours.error, cr2=ours.cr2)
    if name in ("call_rel", "call_rm"):
        theirs = replace(theirs, window=ours.window)  # Intel's have pushed when they look at the target
    if name == "pop_all":
        theirs = replace(theirs, gpr=ours.gpr)  # AMD's have loaded what they could
    return theirs


def _zero_extended(case: Case, theirs: Outcome) -> Outcome:
    """Intel's newer ones write two bytes and leave the upper half of the slot as it was (SDM 2B, PUSH)."""
    stack = SETTINGS[case.setting][SS]
    offset = theirs.gpr[ESP] & (M32 if stack.attr & ATTR_D else M16)
    upper = stack.base + offset + 2 - WINDOW
    if theirs.vector != DB or not 0 <= upper <= WINDOW_BYTES - 2 or theirs.window[upper : upper + 2] == b"\0\0":
        return theirs
    assert theirs.window[upper : upper + 2] == case.window[upper : upper + 2]
    return replace(theirs, window=theirs.window[:upper] + b"\0\0" + theirs.window[upper + 2 :])


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
    compare(name, native, host, 40)


FLAG_SETTERS = [
    row
    for row in ROWS.values()
    if row.semantic.__module__.rpartition(".")[2] in ("alu", "shift", "muldiv", "bits", "atomic") and not row.ends
]
FLAG_READERS = {
    name: row
    for name, row in ROWS.items()
    if row.semantic.__name__ in (
        "jcc", "loop", "setcc", "cmov", "lahf", "pushf", "salc", "change_carry", "decimal_adjust", "ascii_adjust",
        "into", "bit_imm", "step_reg", "rotate", "shift", "cmpxchg8b", "arpl", "sahf",
    ) or row.code in ("10", "1B", "15", "80 /3", "83 /2")
}  # fmt: skip


def follow(rng: Random, row: Row, first: Case, after: Outcome) -> Case:
    """An instruction of `row` in the state that the host has after `first`."""
    second = random_case(rng, row, first.setting)
    return replace(second, gpr=after.gpr, eflags=after.eflags, window=after.window)


def compare_pairs(name: str, ours: UserWorld, host: HostCpu, cases: int) -> None:
    rng = random_for(f"flags for {name} in {cases} cases")
    for _ in range(cases):
        first = random_case(rng, rng.choice(FLAG_SETTERS), rng.choice(("flat", "16-bit")))
        after = host.run(first)
        if not is_comparable(first) or after.vector != DB or undefined_flags(first):
            continue
        second = follow(rng, FLAG_READERS[name], first, after)
        if is_comparable(second):
            found = disagreements(second, host.run(second), ours.run_two(first, second))
            assert not found, f"{first}\n{second}\n" + "\n".join(found)


@pytest.mark.parametrize("name", FLAG_READERS)
def test_flags_reach_the_next_instruction_as_on_the_host(name: str, plain: UserWorld, host: HostCpu) -> None:
    compare_pairs(name, plain, host, 6)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FLAG_READERS)
def test_flags_reach_the_next_compiled_instruction(name: str, native: UserWorld, host: HostCpu) -> None:
    compare_pairs(name, native, host, 200)


STRINGS = {name: row for name, row in ROWS.items() if row.semantic.__name__ == "string"}


def repeated_case(rng: Random, row: Row) -> Case:
    """With overlapping operands as often as not, and equal bytes for comparisons to run through."""
    while True:
        case = random_case(rng, row, rng.choice(tuple(PROTECTED)))
        if case.instruction.repeated and not case.instruction.locked and len(case.code) < 8:
            break
    gpr = list(case.gpr)
    if rng.random() < 0.5:
        gpr[EDI] = gpr[ESI] + rng.randrange(-9, 10) & M32
    window = case.window
    if rng.random() < 0.5:
        window = rng.randbytes(4) * (len(window) // 4)
    return replace(case, gpr=tuple(gpr), window=window)


def compare_repeated(name: str, ours: UserWorld, host: HostCpu, cases: int) -> None:
    rng = random_for(f"repeated {name} in {cases} cases")
    for _ in range(cases):
        case = repeated_case(rng, STRINGS[name])
        after, iterations = host.run(case), 1
        while after.vector == DB and after.eip == case.eip:
            after = host.run(replace(case, gpr=after.gpr, eflags=after.eflags, window=after.window))
            iterations += 1
        found = disagreements(case, after, ours.run_many(case, iterations))
        assert not found, f"{case}, {iterations} iterations\n" + "\n".join(found)


@pytest.mark.parametrize("name", STRINGS)
def test_repeated_string_agrees_with_the_host(name: str, plain: UserWorld, host: HostCpu) -> None:
    compare_repeated(name, plain, host, 6)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", STRINGS)
def test_repeated_compiled_string_agrees_with_the_host(name: str, native: UserWorld, host: HostCpu) -> None:
    compare_repeated(name, native, host, 250)
