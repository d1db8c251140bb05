"""Superinstructions: pairs of instructions that often follow one another, of which native code joins the handlers.

The handler of the first then goes on at that of the second by a direct branch, where it would have to look at the next
Op for an address that its host cannot foresee. Both Ops stay what they are; only the first's `handler` leads to another
copy of its handler, which ends so, and in front of which stands the same number. A Jcc becomes part of that copy, and
knows what has set its flags. Plain Python joins nothing.

These are the hundred most frequent pairs of a Debian's boot, its shell, sha256sum, gzip and awk, as
`python -m tests.benchmarks.pairs` counts them.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from node.ia32.flags import DEC, INC
from node.ia32.handlers import handlers
from node.ia32.joining import COLUMNS, HANDLERS, ROWS
from node.ia32.semantics.alu import (
    ADD_,
    AND_,
    CMP_,
    SUB_,
    XOR_,
    alu_acc,
    alu_from_rm,
    alu_imm,
    alu_to_rm,
    invert,
    step,
    step_reg,
    test_imm,
    test_reg,
)
from node.ia32.semantics.control import call_rel, jcc, jmp_rel, ret
from node.ia32.semantics.move import extend, lea, mov_from_rm, mov_imm_rm, mov_to_rm
from node.ia32.semantics.shift import rotate, shift
from node.ia32.semantics.stack import pop_reg, push_reg

Joined = tuple[Callable[..., Any], tuple[int, ...]]  # a semantic and its constants, as in encodings.Handler

REG, MEM = 0, 1  # what modrm.rm names

# r32, m32: the operands, destination first; i: an immediate
PUSH_R, POP_R = (push_reg, (4,)), (pop_reg, (4,))
MOV_RR, MOV_MR, MOV_RM = (mov_to_rm, (4, REG)), (mov_to_rm, (4, MEM)), (mov_from_rm, (4, MEM))
MOV_RM8, MOV_RI = (mov_from_rm, (1, MEM)), (mov_imm_rm, (4, REG))
LEA, MOVZX_RM16 = (lea, (4,)), (extend, (0, 4, 2, MEM))
ADD_RR, ADD_RM, ADD_RI = (alu_to_rm, (ADD_, 4, REG)), (alu_from_rm, (ADD_, 4, MEM)), (alu_imm, (ADD_, 4, REG))
AND_RR, AND_RI, AND_EAX_I = (alu_to_rm, (AND_, 4, REG)), (alu_imm, (AND_, 4, REG)), (alu_acc, (AND_, 4))
SUB_RM, SUB_RI, XOR_RR = (alu_from_rm, (SUB_, 4, MEM)), (alu_imm, (SUB_, 4, REG)), (alu_to_rm, (XOR_, 4, REG))
INC_R, DEC_M, NOT_R = (step_reg, (INC, 4)), (step, (DEC, 4, MEM)), (invert, (4, REG))
ROL_RI, ROR_RI, SHR_RI = (rotate, (0, 1, 4, REG)), (rotate, (1, 1, 4, REG)), (shift, (5, 1, 4, REG))
CMP_RR, CMP_RI, CMP_MR = (alu_to_rm, (CMP_, 4, REG)), (alu_imm, (CMP_, 4, REG)), (alu_to_rm, (CMP_, 4, MEM))
CMP_MI8, CMP_MR8, CMP_RM8 = (alu_imm, (CMP_, 1, MEM)), (alu_to_rm, (CMP_, 1, MEM)), (alu_from_rm, (CMP_, 1, MEM))
TEST_RR, TEST_RR8, TEST_RI8 = (test_reg, (4, REG)), (test_reg, (1, REG)), (test_imm, (1, REG))
JNB, JZ, JNZ, JMP = (jcc, (3, 4)), (jcc, (4, 4)), (jcc, (5, 4)), (jmp_rel, (4,))
CALL, RET = (call_rel, (4,)), (ret, (4,))

SECONDS: Mapping[Joined, tuple[Joined, ...]] = {
    MOV_RM: (
        MOV_MR,
        MOV_RM,
        LEA,
        ADD_RR,
        TEST_RR,
        XOR_RR,
        MOV_RR,
        RET,
        AND_RR,
        MOV_RM8,
        ADD_RM,
        ADD_RI,
        CALL,
        SUB_RM,
        AND_EAX_I,
        CMP_RR,
        SUB_RI,
        MOVZX_RM16,
    ),
    MOV_MR: (MOV_RM, MOV_MR, MOV_RR, ADD_RI, XOR_RR, CMP_RI),
    PUSH_R: (PUSH_R, CALL, SUB_RI, MOV_RR, MOV_RM),
    POP_R: (POP_R, RET),
    MOV_RM8: (CMP_MR8, TEST_RR8),
    CMP_MR8: (JNZ, JZ),
    TEST_RR: (JZ, JNZ),
    MOV_RR: (ROR_RI, ROL_RI, MOV_RM, CALL, MOV_RR, PUSH_R, POP_R, AND_RI, JMP, XOR_RR, MOV_RM8, NOT_R),
    XOR_RR: (MOV_RR, MOV_MR, MOV_RM, ADD_RR, SHR_RI, AND_RR),
    ROL_RI: (XOR_RR,),
    CMP_MI8: (JZ, JNZ),
    ROR_RI: (MOV_RR, XOR_RR),
    ADD_RI: (POP_R, MOV_RM, JMP, MOV_RR, CMP_RR),
    INC_R: (JMP, INC_R, CMP_MI8),
    TEST_RR8: (JZ,),
    ADD_RR: (MOV_RM, MOV_RR, MOV_MR, ADD_RR, INC_R),
    CMP_RI: (JZ, JNZ),
    LEA: (MOV_RM, MOV_MR, CMP_MI8, PUSH_R, MOV_RM8),
    CMP_RR: (JNZ,),
    SHR_RI: (XOR_RR,),
    SUB_RI: (MOV_RM, CALL),
    MOV_RI: (MOV_RM,),
    AND_RR: (MOV_RM, MOV_MR, MOV_RR, XOR_RR),
    CMP_RM8: (JNZ,),
    CMP_MR: (JNB,),
    DEC_M: (JNZ,),
    AND_RI: (MOV_RM,),
    ADD_RM: (MOV_RR, ADD_RM, ADD_RR),
    MOVZX_RM16: (CMP_MR,),
    TEST_RI8: (JNZ,),
    NOT_R: (MOV_RM,),
}


@cache
def pairs() -> tuple[tuple[int, int], ...]:
    """As numbers of handlers. The one at place i is joined as number `len(handlers())` + i."""
    numbers = {(h.semantic, h.constants): i for i, h in enumerate(handlers()) if h is not None}
    return tuple((numbers[first], numbers[second]) for first, seconds in SECONDS.items() for second in seconds)


@cache
def table() -> npt.NDArray[np.uint16]:
    """For `joining.join`."""
    places = np.zeros((HANDLERS, 2), np.uint16)
    grid = np.zeros((ROWS, COLUMNS), np.uint16)
    rows, columns = ({n: i for i, n in enumerate(dict.fromkeys(side), 1)} for side in zip(*pairs(), strict=True))
    for number, (first, second) in enumerate(pairs(), len(handlers())):
        places[first, 0], places[second, 1] = rows[first], columns[second]
        grid[rows[first], columns[second]] = number
    return np.concatenate((places.ravel(), grid.ravel()))
