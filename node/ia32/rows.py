"""What one row of the opcode table says. The rows stand beside the semantics they name (`ROWS` in each file of
`semantics/`); `encodings.py` collects them, and decoder, dispatch, translator and tests are derived from that one
table.

    Row("01", "Ev,Gv", alu_e_r, (ADD_, SIZE, FORM), lock=True)

`code`      opcode bytes in hex; `/n` fixes modrm.reg; `+r` spreads the row over eight opcodes, the low bits going to
`Op.a`;
            `+cc` spreads it over sixteen, and COND in `constants` is the low four bits; a mandatory modrm.rm is `/n:rm`
            (register form only); `NP`, `66`, `F3` or `F2` before 0F is a mandatory prefix, or that there is none
`operands`  letters of the manual's appendix A: E modrm.rm (register → `Op.b`, or memory → base/index/disp), G
modrm.reg → `Op.a`,
            M memory only (register form is #UD), R register only, S segment register in modrm.reg, C/D control/debug
            register,
            I immediate, Is immediate sign-extended to the operand size, J relative (imm = displacement, sign-extended
            to 32 bits),
            P, V MMX and XMM register in modrm.reg, Q, W in modrm.rm (or memory), N, U in modrm.rm (never memory),
            O moffs, Ap far pointer (imm = offset, disp = selector), X/Y string operands (implicit), others implicit;
            sizes b w d q x, v (16 or 32 by operand size: the row becomes two), z (immediate of v's size), p (pointer)
`constants` extra integer arguments of the semantic after (c, m, e): numbers, or SIZE (1 for `b`; 2 or 4 for `v`),
FORM (REG or MEM), COND
`faults`    "mem": only a memory form may set m.leave; "always"; "never"
`ends`      the semantic sets c.eip itself and the block ends with it (c.eip must not change if it faults). "always":
control then
            goes to the outer loop, which looks at interrupts, traps and modes; "branch": a near transfer, chained to
            the next
            block directly; "cc": the same when it returns 1, and 0 falls through to the next instruction of the block
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

SIZE, FORM, COND = "SIZE", "FORM", "COND"
Constant = int | str


@dataclass(frozen=True, slots=True)
class Row:
    code: str
    operands: str
    semantic: Callable[..., Any]
    constants: tuple[Constant, ...] = ()
    faults: Literal["mem", "always", "never"] = "mem"
    ends: Literal["", "always", "branch", "cc"] = ""
    counts: bool = False  # reads or spends m.left (REP, RDTSC): native code keeps it in a register otherwise
    lock: bool = False  # the LOCK prefix is allowed with a memory operand
    privileged: bool = False  # #GP(0) outside ring 0: not run by the user-mode oracles
    feature: int = 0  # bits of CPUID (features.py) without which it is #UD
    undefined: int = 0  # status flags that the manual leaves undefined
    oracle: bool = True  # False: unicorn and the host CPU are not asked (state they cannot show, or known to differ)
