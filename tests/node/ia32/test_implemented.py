"""node/ia32/IMPLEMENTED.md says what the opcode table and the models say, and what it calls absent raises something."""

import pytest

from node.domain.processors import CPUS, DEFAULT_CPU
from node.ia32.features import MTRR, VME
from node.ia32.models import DEFAULT, MODELS
from node.ia32.semantics.control_registers import mov_to_cr
from node.ia32.semantics.system import rdmsr, rdpmc
from node.ia32.state import EBX, ECX, GP
from tests.node.ia32.protected_world import World
from tests.support.implemented import FILE, render


def test_the_table_is_what_the_sources_say() -> None:
    assert FILE.read_text() == render(), "python -m tests.support.implemented"


def test_the_names_that_agents_know_are_the_models() -> None:
    assert (tuple(MODELS), DEFAULT.name) == (CPUS, DEFAULT_CPU)


@pytest.mark.parametrize("model", MODELS)
def test_what_is_absent_raises_gp(model: str) -> None:
    virtual = (0, 1) if not MODELS[model].features & VME else ()
    for bit in (*virtual, 6, 11, 12, 13):  # VME, PVI, MCE, and those of later processors
        world = World(model)
        world.c.gpr[EBX] = 1 << bit
        assert world.do(mov_to_cr, a=4, b=EBX) == (GP, 0)
    assert World(model).do(rdpmc) == (GP, 0)
    types = () if MODELS[model].features & MTRR else (0xFE, 0x277)  # MTRRs, PAT
    for index in (*types, 0x179, 0x1D9):  # machine check, DEBUGCTL
        world = World(model)
        world.c.gpr[ECX] = index
        assert world.do(rdmsr) == (GP, 0)
