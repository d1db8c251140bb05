"""Every MMX, SSE and SSE2 instruction against the host's own, bit for bit: registers, MXCSR, memory, exceptions.

With every exception masked and with random ones unmasked, all rounding modes, denormals as zeros, flushing to zero;
through memory operands that are aligned, not aligned, across pages, outside segments and outside what is mapped.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from node.ia32.semantics.vector_state import ANYWHERE, MASKS_SHIFT, OE, PE, UE
from node.ia32.state import AC, AC_, DF, GP, M32, SS_, STATUS_FLAGS, TF, XM
from tests.support.cpu_case import DB, WINDOW, Case, Outcome, differences
from tests.support.cpu_case import SETTINGS as SEGMENTS
from tests.support.encode import named_rows
from tests.support.engine import engine_named
from tests.support.host_cpu import HostCpu
from tests.support.seeds import random_for
from tests.support.user_world import UserWorld
from tests.support.vector_case import random_vector_case

FLAGS = STATUS_FLAGS | DF | TF
SETTINGS = ("flat", "16-bit", "mixed")
MXCSR_MASK, MM = 28, 1 << 17  # a place in the image (SDM 1 10.5.1.2), a bit of it
TOP_OF_MEMORY = 0xFFFF_FF00
SEVERAL_ACCESSES = ("save_image", "restore_image", "store_masked")
ROWS = {
    name: row for name, row in named_rows().items() if row.semantic.__module__.rpartition(".")[2].startswith("vector")
}


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


def disagreements(case: Case, theirs: Outcome, ours: Outcome) -> list[str]:
    """`differences`, as far as they are architectural."""
    row = case.instruction.row
    unaligned = row.constants[1:3] == (16, ANYWHERE) or row.semantic.__name__ == "store_masked"
    if {theirs.vector, ours.vector} == {DB, AC_} and unaligned:
        return []  # of moves that may be unaligned, each processor has its own idea what #AC is for (SDM 2B, MOVUPS)
    if row.semantic.__name__ == "save_image" and theirs.vector == DB:
        theirs = replace(theirs, window=without_mm(case, theirs.window))
    if theirs.vector != DB and ours.vector != DB:
        if ours.cr2 >= TOP_OF_MEMORY and theirs.vector in (SS_, GP):
            return []  # an operand that wraps around 4 GiB: "may or may not" violate the limit (SDM 3A 5.3)
        if row.semantic.__name__ in SEVERAL_ACCESSES:  # the order of which is open
            theirs = replace(theirs, vector=ours.vector, error=ours.error, cr2=ours.cr2)
        unit = ours.vectors  # TOP and tags may have gone over to MMX already
        theirs = replace(theirs, vectors=replace(theirs.vectors, status=unit.status, filled=unit.filled))
        mxcsr = theirs.vectors.mxcsr
        if theirs.vector == XM and mxcsr & ~(mxcsr >> MASKS_SHIFT) & (OE | UE):  # IMPLEMENTED.md: MXCSR.PE
            theirs, ours = (replace(o, vectors=replace(o.vectors, mxcsr=o.vectors.mxcsr | PE)) for o in (theirs, ours))
    return differences(case, theirs, ours, FLAGS)


def without_mm(case: Case, window: bytes) -> bytes:
    """An FXSAVE image without the bit of MXCSR_MASK that AMD's processors alone have: MM, for misaligned operands."""
    made = case.instruction
    assert made.address is not None
    at = (made.address.offset(case.gpr) + SEGMENTS[case.setting][made.seg].base - WINDOW & M32) + MXCSR_MASK
    known = window[at : at + 4] == (0xFFFF | MM).to_bytes(4, "little")
    return window[:at] + (0xFFFF).to_bytes(4, "little") + window[at + 4 :] if known else window


def compare(name: str, ours: UserWorld, host: HostCpu, cases: int, flags: int = 0) -> None:
    rng = random_for(f"{name} in {cases} cases with flags {flags:x}")
    for setting in SETTINGS:
        for _ in range(cases):
            case = random_vector_case(rng, ROWS[name], setting)
            case = replace(case, eflags=case.eflags | flags)
            found = disagreements(case, host.run(case), ours.run(case))
            assert not found, f"{case}\n" + "\n".join(found)


@pytest.mark.parametrize("name", ROWS)
def test_instruction_agrees_with_the_host(name: str, plain: UserWorld, host: HostCpu) -> None:
    compare(name, plain, host, 12)


@pytest.mark.parametrize("name", ROWS)
def test_alignment_is_checked_as_on_the_host(name: str, plain: UserWorld, host: HostCpu) -> None:
    compare(name, plain, host, 8, AC)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ROWS)
def test_compiled_instruction_agrees_with_the_host(name: str, native: UserWorld, host: HostCpu) -> None:
    compare(name, native, host, 400)
