"""Every instruction of the integer core against unicorn: flat 32-bit code, and real mode with 16-bit code.

The oracle for hosts that are no x86, and for real mode, which no user program can enter. What unicorn (the TCG of QEMU
5.0) does not do, or does otherwise than the manual, is named in `is_comparable` and `disagreements`.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from node.ia32.rows import Row
from node.ia32.state import CS, DF, ESP, FS, GP, GS, M16, SS, SS_, STATUS_FLAGS
from tests.support.cpu_case import PAGE_FAULT, REAL, WINDOW, WINDOW_BYTES, Case, Outcome, differences
from tests.support.encode import named_rows
from tests.support.engine import engine_named
from tests.support.random_case import random_case
from tests.support.real_world import FRAME_BYTES, NO_ROOM, RealWorld
from tests.support.seeds import random_for
from tests.support.unicorn_case import run_on_unicorn
from tests.support.user_world import UserWorld

pytest.importorskip("unicorn")
FLAGS = STATUS_FLAGS | DF


def asked(row: Row) -> bool:
    family, name = row.semantic.__module__.rpartition(".")[2], row.semantic.__name__
    return row.oracle and not row.privileged and not family.startswith(("x87", "vector")) and name != "push_segment"


ROWS = {name: row for name, row in named_rows().items() if asked(row)}


def is_comparable(case: Case) -> bool:
    made, name = case.instruction, case.instruction.row.semantic.__name__
    narrow, register_form = made.size == 2, made.address is None
    return not (
        (name == "bswap" and narrow)  # undefined result (SDM 2A, BSWAP)
        or (name == "shift_double" and narrow)  # likewise with a count above 16 (SDM 2B, SHLD)
        or made.locked  # unicorn takes LOCK before anything (SDM 2A, LOCK: #UD)
        or (case.setting == "flat" and made.seg in (CS, FS, GS))  # no limits and types of segments (SDM 3A 5.3, 5.5)
        or made.row.code in ("F6 /1", "F7 /1")  # #UD in unicorn (SDM 2D table A-6: reserved; processors do TEST)
        or (made.row.code in ("0F 18", "0F 0D") and register_form)  # #UD in unicorn (SDM 2D table A-3: reserved NOP)
        or (name == "ret" and made.row.code == "C2" and made.code[-1] & 0x80)  # unsigned (SDM 2B, RET); signed there
        or (name == "enter" and case.setting == "real" and not narrow)  # EBP gets all of ESP (SDM 2A, ENTER)
    )


def disagreements(case: Case, theirs: Outcome, ours: Outcome) -> list[str]:
    """`differences`, as far as unicorn shows them: a fault is a fault, and the state is from before it."""
    real = case.setting == "real"
    if theirs.vector == PAGE_FAULT and (real or ours.vector == PAGE_FAULT):
        return []  # real mode has more memory than the window; of page faults the host's processor is the oracle
    if case.instruction.row.semantic.__name__ == "enter" and ours.vector == PAGE_FAULT:
        return []  # unicorn does not check that the new top can be written (SDM 2A, ENTER)
    if real and ours.vector in (GP, SS_):
        return []  # an operand that wraps around 64 KiB: no limits in unicorn (SDM 3A 20.3, table 20-6)
    if real and (ours.vector == NO_ROOM.vector or ours.gpr[ESP] & M16 < FRAME_BYTES):
        return []  # no place for the frame of our trap
    if real:
        at = REAL[SS].base + (ours.gpr[ESP] - FRAME_BYTES & M16) - WINDOW
        theirs, ours = without(theirs, at), without(ours, at)
    theirs = replace(theirs, error=ours.error, cr2=ours.cr2)
    return differences(case, theirs, ours, FLAGS)


def without(outcome: Outcome, at: int) -> Outcome:
    """Blank where our trap's frame lies: unicorn delivers nothing."""
    first, last = (min(max(end, 0), WINDOW_BYTES) for end in (at, at + FRAME_BYTES))
    return replace(outcome, window=outcome.window[:first] + bytes(last - first) + outcome.window[last:])


@pytest.fixture(scope="module")
def plain() -> Iterator[dict[str, UserWorld]]:
    yield from worlds("plain")


@pytest.fixture(scope="module")
def native() -> Iterator[dict[str, UserWorld]]:
    yield from worlds("native")


def worlds(engine: str) -> Iterator[dict[str, UserWorld]]:
    made = {"flat": UserWorld(engine_named(engine)), "real": RealWorld(engine_named(engine))}
    yield made
    for world in made.values():
        world.close()


def compare(name: str, ours: dict[str, UserWorld], cases: int) -> None:
    rng = random_for(f"{name} in {cases} cases")
    for setting, world in ours.items():
        for _ in range(cases):
            case = random_case(rng, ROWS[name], setting)
            if is_comparable(case):
                found = disagreements(case, run_on_unicorn(case), world.run(case))
                assert not found, f"{case}\n" + "\n".join(found)


@pytest.mark.parametrize("name", ROWS)
def test_instruction_agrees_with_unicorn(name: str, plain: dict[str, UserWorld]) -> None:
    compare(name, plain, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ROWS)
def test_compiled_instruction_agrees_with_unicorn(name: str, native: dict[str, UserWorld]) -> None:
    compare(name, native, 12)
