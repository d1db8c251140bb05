"""The host's floating-point unit as one operation: the only file that knows how the host computes at 80 bits.

`host_x87` takes the guest's control word, reads extended operands at `first` and `second` (or a memory operand at
`second`), computes one entry of the table below, writes the result and returns the unit's status word: exception
flags, C0-C3, and ES if an exception was unmasked. Because the host runs with the guest's own control word, rounding,
precision, wrapped results of unmasked overflow, and every flag are the hardware's. If an unmasked IE, DE or ZE
stopped the operation nothing is written.

Invariants: the host's register stack is empty and its control word the ABI's before and after. Its sticky flags may
stay set (reading and clearing them costs more than the arithmetic): `sticky` says which ones the guest has set
already, so that only others need a second look. For that, `sticky` must hold no flag that the control word leaves
unmasked.

On a host that is no x86-64 the operation is the external symbol `limosa_host_x87` of the same signature, which
nothing provides yet. Transcendental functions differ in the last bit between makers of processors, as they do for
real machines.
"""

import ctypes
import platform
from collections.abc import Callable
from functools import cache
from typing import Any

from node.jitted import Primitive, Touch, primitive

HOST_HAS_X87 = platform.machine() in ("x86_64", "AMD64")

# Where operands come from, pushed in this order: the last one is ST(0). `second` may instead be a memory operand.
NONE, FIRST, BOTH = "", "fldt (%rsi)", "fldt (%rdx); fldt (%rsi)"

# What is left on the stack, and where it goes.
RESULT = "fstpt (%r8)"  # ST(0) to `result`
RESULT_OF_TWO = "fstpt (%r8); fstp %st(0)"
TWO_RESULTS = "fstpt (%rdx); fstpt (%r8)"  # what was pushed to `second`, what replaced ST(0) to `result`
TWO_UNLESS_C2 = "testb $4, %ah; jnz 70f; fstpt (%rdx); fstpt (%r8); jmp 71f; 70: fstp %st(0); 71:"  # C2: out of range
DROP, DROP_TWO, EMPTY = "fstp %st(0)", "fstp %st(0); fstp %st(0)", ""
LOADED = "fstpt (%r8);"  # a load, which an unmasked DE does not stop (measured; only IE does)

# Operands, opcode bytes (memory operands are addressed by rdx: rm = 2), what comes after
Entry = tuple[str, int, int, str]


def _arithmetic(escape: int, memory: bool) -> list[Entry]:
    """D8's operations in the order of modrm.reg: + * compare compare - reversed- / reversed/ (ST(0) is the first)."""
    before, modrm, compared, computed = (FIRST, 0x02, DROP, RESULT) if memory else (BOTH, 0xC1, DROP_TWO, RESULT_OF_TWO)
    return [(before, escape, modrm + 8 * reg, compared if reg == 2 else computed) for reg in (0, 1, 2, 2, 4, 5, 6, 7)]


# Numbers of the operations. The first five name groups of eight: add modrm.reg.
WITH_REGISTER, WITH_REAL32, WITH_INT32, WITH_REAL64, WITH_INT16 = range(0, 40, 8)
UNORDERED_COMPARE, COMPARE_WITH_ZERO, SQRT, ROUND, TWO_TO_X_MINUS_1, SINE, COSINE = range(40, 47)
REMAINDER, REMAINDER_NEAREST, SCALE, Y_LOG_X, Y_LOG_X_PLUS_1, ARCTANGENT = range(47, 53)
TANGENT, SINE_AND_COSINE, EXTRACT = range(53, 56)
LOAD_REAL32, LOAD_REAL64, LOAD_INT16, LOAD_INT32, LOAD_INT64, LOAD_BCD = range(56, 62)
STORE_REAL32, STORE_REAL64, STORE_INT16, STORE_INT32, STORE_INT64, STORE_BCD = range(62, 68)

OPERATIONS: tuple[Entry, ...] = (
    *_arithmetic(0xD8, False),
    *_arithmetic(0xD8, True), *_arithmetic(0xDA, True), *_arithmetic(0xDC, True), *_arithmetic(0xDE, True),
    (BOTH, 0xDD, 0xE1, DROP_TWO), (FIRST, 0xD9, 0xE4, DROP),
    (FIRST, 0xD9, 0xFA, RESULT), (FIRST, 0xD9, 0xFC, RESULT), (FIRST, 0xD9, 0xF0, RESULT),
    (FIRST, 0xD9, 0xFE, RESULT), (FIRST, 0xD9, 0xFF, RESULT),
    (BOTH, 0xD9, 0xF8, RESULT_OF_TWO), (BOTH, 0xD9, 0xF5, RESULT_OF_TWO), (BOTH, 0xD9, 0xFD, RESULT_OF_TWO),
    (BOTH, 0xD9, 0xF1, RESULT), (BOTH, 0xD9, 0xF9, RESULT), (BOTH, 0xD9, 0xF3, RESULT),
    (FIRST, 0xD9, 0xF2, TWO_UNLESS_C2), (FIRST, 0xD9, 0xFB, TWO_UNLESS_C2), (FIRST, 0xD9, 0xF4, TWO_RESULTS),
    (NONE, 0xD9, 0x02, LOADED), (NONE, 0xDD, 0x02, LOADED), (NONE, 0xDF, 0x02, LOADED),
    (NONE, 0xDB, 0x02, LOADED), (NONE, 0xDF, 0x2A, LOADED), (NONE, 0xDF, 0x22, LOADED),
    (FIRST, 0xD9, 0x12, DROP), (FIRST, 0xDD, 0x12, DROP), (FIRST, 0xDF, 0x12, DROP),
    (FIRST, 0xDB, 0x12, DROP), (FIRST, 0xDF, 0x3A, EMPTY), (FIRST, 0xDF, 0x32, EMPTY),
)  # fmt: skip

DEFAULT_CONTROL = 0x37F
EXTENDED_BYTES = 10  # the widest operand


def _assembly(before: str, escape: int, modrm: int, after: str) -> str:
    """Of one operation. rsi first, rdx second, rcx control word, r8 result, r9 flags that the guest has not, r11 the
    words for FLDCW; rax the status word.

    Flags that the guest has not may be the host's old ones: then all is done again without them. Reading the status
    word costs as much as adding, so that it is read once where nothing is new. No old flag may meet a control word that
    unmasks it: the host would raise #MF. Labels are numeric: a compiler may copy the text."""
    operation = f".byte {escape}, {modrm}"
    # ES: an unmasked exception waits, undelivered by FNSTSW and FNCLEX. IE, DE and ZE changed nothing.
    stops = 1 if after == LOADED else 7
    return "\n".join(
        (
            f"cmpl ${DEFAULT_CONTROL}, %ecx; je 61f; movl %ecx, %r10d; notl %r10d; testb $63, %r10b; jz 60f; fnclex",
            "60: fldcw (%r11); 61:",
            f"{before}; {operation}; fnstsw %ax; testl %r9d, %eax; jz 63f",
            "fninit; fldcw (%r11)",
            f"{before}; {operation}; fnstsw %ax; testb $0x80, %al; jz 63f; fnclex",
            f"movl %ecx, %r10d; notl %r10d; andl %eax, %r10d; testb ${stops}, %r10b; jz 63f; fninit; jmp 65f",
            f"63: {after}",
            f"cmpl ${DEFAULT_CONTROL}, %ecx; je 65f; fldcw 2(%r11)",
            "65: movzwl %ax, %eax",
        )
    )


_HEAD = f"""%words = alloca [2 x i16], align 4
%guest = trunc i64 %1 to i16
store i16 %guest, ptr %words
%host = getelementptr i8, ptr %words, i64 2
store i16 {DEFAULT_CONTROL}, ptr %host
%known = and i64 %2, 63
%clear = xor i64 %known, 127
"""


def _call(number: int, entry: Entry) -> str:
    text = _assembly(*entry).replace("$", "$$").replace("\n", "\\0A")
    stack = ",".join(f"~{{st({i})}}" for i in range(1, 8))
    inputs = "={rax},{rsi},{rdx},{rcx},{r8},{r9},{r11}"
    clobbers = f"~{{r10}},~{{st}},{stack},~{{fpsr}},~{{flags}},~{{dirflag}},~{{memory}}"
    return (
        f'operation{number}:\n%status{number} = call i64 asm sideeffect "{text}", "{inputs},{clobbers}"('
        f"i64 %3, i64 %4, i64 %1, i64 %5, i64 %clear, ptr %words)\nret i64 %status{number}\n"
    )


def _body() -> str:
    """A constant operation leaves one of them."""
    ways = " ".join(f"i64 {number}, label %operation{number}" for number in range(len(OPERATIONS)))
    calls = (_call(number, entry) for number, entry in enumerate(OPERATIONS))
    return _HEAD + f"switch i64 %0, label %none [ {ways} ]\n" + "".join(calls) + "none:\nunreachable"


class HostFpuError(RuntimeError):
    """This host has no x87 unit to compute with."""


@cache
def native(body: Primitive) -> Callable[..., Any]:
    """A primitive's LLVM text as a function that plain Python can call."""
    if body.llvm is None:
        raise HostFpuError(f"x87 arithmetic needs an x86-64 host; this one is {platform.machine()}")
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    types = ", ".join(body.arguments)
    module = llvm.parse_assembly(f"define {body.result} @entry({types}) {{\n{body.llvm}\n}}")
    engine = llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine())
    engine.finalize_object()
    _ENGINES.append(engine)
    kinds: dict[str, Any] = {"i64": ctypes.c_int64, "void": None}
    prototype = ctypes.CFUNCTYPE(kinds[body.result], *(kinds[argument] for argument in body.arguments))
    return prototype(engine.get_function_address("entry"))


_ENGINES: list[Any] = []  # the code lives as long as its engine


def _host_x87(operation: int, control: int, sticky: int, first: int, second: int, result: int) -> int:
    return int(native(_PRIMITIVE)(*map(int, (operation, control, sticky, first, second, result))))


_ARGUMENTS = ("i64",) * 6
_PRIMITIVE = Primitive(_ARGUMENTS, "i64", None, _body() if HOST_HAS_X87 else None)
host_x87 = primitive(
    arguments=_ARGUMENTS,
    result="i64",
    llvm=_PRIMITIVE.llvm,
    symbol=None if HOST_HAS_X87 else "limosa_host_x87",
    touches=tuple(Touch(f"%{i}", EXTENDED_BYTES, if_any=True) for i in (3, 4, 5)),
    below=(("%0", len(OPERATIONS)),),
)(_host_x87)
