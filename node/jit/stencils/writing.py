"""How stencils are written as LLVM text: their frame, their holes, and how control leaves them."""

from collections.abc import Sequence

from node.jit.record_copies import offset
from node.jit.stencils.kinds import SMALL

SMALL_PREFIX = "limosa_small_"
HELPERS_AT = offset("machine", "helpers")
SIGNATURE = "(ptr %x, ptr noalias %c, ptr noalias %m, i64 %n)"
_SYMBOLS = "\n".join(
    f"@{SMALL_PREFIX}{kind} = external global i8, align {multiple}, !absolute_symbol !{{i64 {lowest}, i64 {bound}}}"
    for kind, (lowest, bound, multiple) in SMALL.items()
)
DECLARATIONS = f"""
{_SYMBOLS}
declare void @llvm.assume(i1)
declare preserve_nonecc void @limosa_next(ptr, ptr, ptr, i64)
declare preserve_nonecc void @limosa_slow(ptr, ptr, ptr, i64)
declare preserve_nonecc void @limosa_pause(ptr, ptr, ptr, i64)
attributes #9 = {{ nounwind optsize "no-jump-tables"="true" }}
!0 = !{{!"branch_weights", i32 1, i32 2000}}
!1 = !{{!"branch_weights", i32 2000, i32 1}}
"""
NEXT = "  musttail call preserve_nonecc void @limosa_next(ptr poison, ptr %c, ptr %m, i64 %n)\n  ret void"
PAUSE = "  musttail call preserve_nonecc void @limosa_pause(ptr poison, ptr %c, ptr %m, i64 poison)\n  ret void"
SLOW = "  musttail call preserve_nonecc void @limosa_slow(ptr poison, ptr %c, ptr %m, i64 %n)\n  ret void"


def hole(name: str, kind: str, below: int = 1 << 32) -> str:
    """A number that is known when the stencil is copied. The assembler's words, so that LLVM takes nothing for granted
    of it but `below`; they leave the upper half of the register zero."""
    asm = f'asm "movl $$limosa_hole_{kind}, ${{0:k}}", "=r"()'
    return f"  %{name} = call range(i64 0, {below}) i64 {asm} nounwind memory(none)"


def small_hole(name: str, kind: str) -> str:
    """One of kinds.SMALL: a symbol, of which LLVM makes a displacement or an operand of a byte (`assembly.py`)."""
    return f"  %{name} = add i64 ptrtoint (ptr @{SMALL_PREFIX}{kind} to i64), 0"


def wide_hole(name: str, kind: str) -> str:
    return f'  %{name} = call ptr asm "movabsq $$limosa_hole_{kind}, $0", "=r"() nounwind memory(none)'


def function(name: str, lines: Sequence[str]) -> str:
    head = f'define preserve_nonecc void @limosa_t{name}{SIGNATURE} #9 section ".limosa.{name}" {{'
    return "\n".join([head, *lines, "}"])


def loaded(record: str, name: str, at: int, kind: str = "i64") -> list[str]:
    """`name`: the field at offset `at`; `name`p: where it is."""
    return [
        f"  %{name}p = getelementptr i8, ptr %{record}, i64 {at}",
        f"  %{name} = load {kind}, ptr %{name}p, align 8",
    ]
