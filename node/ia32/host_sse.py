"""The host's vector unit: one primitive for every MMX, SSE and SSE2 operation, and the register that controls it.

`compute(m, operation)` leaves in `m.operand` what the operation makes of `m.first` (the old destination) and
`m.operand` (the source). Each operation is the host's own instruction in a row of the tables below, so that rounding,
NaNs and flags are the hardware's. The plain reading of integer operations is `packed.py`; floating-point ones are
executed there too, by the same instruction.

While guest code runs, the host's MXCSR holds the guest's rounding, DAZ and FTZ, its flags so far, and every exception
masked: floating-point instructions then need no more than themselves. Flags gather in the host's register and come to
`c.mxcsr` when someone asks (`vector_state.py`), at the latest when `interpreter.run` ends and gives the host its own
control back. In plain Python `m.float_control` stands for that register.

RCP and RSQRT are approximations that differ between makers of processors (relative error below 1.5 * 2^-12 on all).
On a host that is no x86-64 the primitives are external symbols of the same signatures, which nothing provides yet.
"""

import ctypes
from collections.abc import Iterable

from node.ia32.host_fpu import HOST_HAS_X87, native
from node.ia32.latches import FIRST, OPERAND
from node.ia32.packed import MEANING, join, lanes, rearranged
from node.ia32.state import Machine
from node.jitted import Primitive, primitive

ALL_MASKED, FLAGS = 0x1F80, 0x3F

# Integer operations are named by their instruction, here where it is not simply `name source, destination`.
SPECIAL = {
    "packsswb_mmx": "punpcklqdq $2, $0; packsswb $0, $0",
    "packssdw_mmx": "punpcklqdq $2, $0; packssdw $0, $0",
    "packuswb_mmx": "punpcklqdq $2, $0; packuswb $0, $0",
    "punpckhbw_mmx": "punpcklbw $2, $0; psrldq $$8, $0",
    "punpckhwd_mmx": "punpcklwd $2, $0; psrldq $$8, $0",
    "punpckhdq_mmx": "punpckldq $2, $0; psrldq $$8, $0",
    "pmovmskb": "pmovmskb $2, %ecx; movd %ecx, $0",
    "movmskps": "movmskps $2, %ecx; movd %ecx, $0",
    "movmskpd": "movmskpd $2, %ecx; movd %ecx, $0",
    "high": "movdqa $2, $0; psrldq $$8, $0",
    "low": "movq $2, $0",
}
INTEGER = {name: SPECIAL.get(name, f"{name} $2, $0") for name in MEANING}

TYPES = ("ps", "pd", "ss", "sd")
ARITHMETIC = ("sqrt", "add", "mul", "sub", "min", "div", "max")
_TO_REGISTER = "{0} $2, %ecx; movd %ecx, $0"
_TO_FLAGS = "{0} $2, $0; lahf; movzbl %ah, %eax; movd %eax, $0"  # SF ZF AF PF CF as LAHF gives them
_LOW_HALF = "movq $2, %xmm15; {0} %xmm15, $0"  # of the source: the other half raises no flags
FLOAT = {
    **{f"{name}{kind}": f"{name}{kind} $2, $0" for name in ARITHMETIC for kind in TYPES},
    **{f"{name}{kind}": f"{name}{kind} $2, $0" for name in ("rcp", "rsqrt") for kind in ("ps", "ss")},
    **{
        f"cvt{name}": f"cvt{name} $2, $0"
        for name in ("ps2pd", "pd2ps", "ss2sd", "sd2ss", "dq2ps", "ps2dq", "tps2dq", "pd2dq", "tpd2dq", "dq2pd")
    },
    **{f"cvtsi2{kind}": f"movq $2, %rcx; cvtsi2{kind}l %ecx, $0" for kind in ("ss", "sd")},
    **{f"cvt{name}2si": _TO_REGISTER.format(f"cvt{name}2si") for name in ("ss", "tss", "sd", "tsd")},
    "cvtpi2ps": "cvtdq2ps $2, %xmm15; movsd %xmm15, $0",
    "cvtps2pi": _LOW_HALF.format("cvtps2dq"),
    "cvttps2pi": _LOW_HALF.format("cvttps2dq"),
    **{f"{name}{kind}": _TO_FLAGS.format(f"{name}{kind}") for name in ("ucomi", "comi") for kind in ("ss", "sd")},
}
COMPARISONS = {f"cmp{kind}{code}": f"cmp{kind} $${code}, $2, $0" for kind in TYPES for code in range(8)}
SHUFFLES = ("pshufd", "pshuflw", "pshufhw", "shufps", "shufpd", "pslldq", "psrldq", "pinsrw", "pextrw")

NAMES = (*INTEGER, *FLOAT)
NUMBER = {name: number for number, name in enumerate(NAMES)}
COMPARISON = {f"cmp{kind}": 8 * number for number, kind in enumerate(TYPES)}  # add the predicate
SHUFFLE = {name: number for number, name in enumerate(SHUFFLES)}

_CLOBBERS = "~{rax},~{rcx},~{xmm15},~{dirflag},~{fpsr},~{flags}"


def _case(number: int, text: str, *, flags: bool, after: str) -> str:
    """One operation: %a and %b to %r<number>. `flags`: it may raise some, so it must stay where it is."""
    kind = "asm sideeffect" if flags else "asm"
    return (
        f'o{number}:\n%r{number} = call <2 x i64> {kind} "{text}", "=&x,0,x,{_CLOBBERS}"(<2 x i64> %a, <2 x i64> %b)\n'
        + after.format(number)
    )


def _switch(cases: Iterable[tuple[int, str, bool]], after: str) -> str:
    """A switch over the SSA value %operation."""
    listed = list(cases)
    targets = " ".join(f"i64 {number}, label %o{number}" for number, _, _ in listed)
    bodies = "\n".join(_case(number, text, flags=flags, after=after) for number, text, flags in listed)
    return f"switch i64 %operation, label %none [ {targets} ]\n{bodies}\nnone:\nunreachable"


_LATCHES = f"""%pa = getelementptr i8, ptr %0, i64 {FIRST}
%pb = getelementptr i8, ptr %0, i64 {OPERAND}
%a = load <2 x i64>, ptr %pa, align 8
%b = load <2 x i64>, ptr %pb, align 8
%operation = add i64 %1, 0
"""
_STORE = "store <2 x i64> %r{0}, ptr %pb, align 8\nret void"
_COMPUTE = [(NUMBER[name], {**INTEGER, **FLOAT}[name], name in FLOAT) for name in NAMES]
_COMPARE = [(number, text, True) for number, text in enumerate(COMPARISONS.values())]


def _vector(body: str) -> str | None:
    return body if HOST_HAS_X87 else None


def _external(name: str) -> str | None:
    return None if HOST_HAS_X87 else f"limosa_host_{name}"


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_vector(_LATCHES + _switch(_COMPUTE, _STORE)),
    symbol=_external("compute"),
    below=(("%1", len(NAMES)),),
)
def compute(m: Machine, operation: int) -> None:
    """m.operand ← NAMES[operation](m.first, m.operand)."""
    meaning = MEANING.get(NAMES[operation])
    if meaning is None:
        _on_host(m, operation, _COMPUTE_NATIVE)
    else:
        _put(m.operand, meaning(join(m.first, 32), join(m.operand, 32)))


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_vector(_LATCHES + _switch(_COMPARE, _STORE)),
    symbol=_external("compare"),
    below=(("%1", len(COMPARISONS)),),
)
def compare(m: Machine, comparison: int) -> None:
    """m.operand ← all ones where the comparison holds (COMPARISON[...] + predicate), zero elsewhere."""
    _on_host(m, comparison, _COMPARE_NATIVE)


def _lane(vector: str, kind: str, shift: int, mask: int, into: str, base: int = 0) -> str:
    """`into` = the lane of %vector that bits of the immediate choose."""
    text = f"%{into}s = lshr i64 %2, {shift}\n%{into}i = and i64 %{into}s, {mask}\n"
    text += f"%{into}j = add i64 %{into}i, {base}\n"
    return text + f"%{into} = extractelement {kind} %{vector}, i64 %{into}j\n"


def _arrange(name: str) -> str:
    """The body of one shuffle as LLVM text: from %a and %b to %r of type <2 x i64>."""
    words, dwords, quads = "<8 x i16>", "<4 x i32>", "<2 x i64>"
    n = name
    if name in ("pslldq", "psrldq"):
        way = "shl" if name == "pslldq" else "lshr"
        return f"""%{n}w = bitcast <2 x i64> %a to i128
%{n}all = icmp ugt i64 %2, 15
%{n}c = select i1 %{n}all, i64 0, i64 %2
%{n}z = zext i64 %{n}c to i128
%{n}n = shl i128 %{n}z, 3
%{n}m = {way} i128 %{n}w, %{n}n
%{n}k = select i1 %{n}all, i128 0, i128 %{n}m
%{n} = bitcast i128 %{n}k to <2 x i64>"""
    if name in ("pinsrw", "pextrw"):
        source = "a" if name == "pinsrw" else "b"
        text = f"%{n}v = bitcast <2 x i64> %{source} to {words}\n%{n}i = and i64 %2, 7\n"
        if name == "pinsrw":
            text += f"%{n}x = extractelement <2 x i64> %b, i32 0\n%{n}y = trunc i64 %{n}x to i16\n"
            return text + f"%{n}r = insertelement {words} %{n}v, i16 %{n}y, i64 %{n}i\n{_back(n, words)}"
        text += f"%{n}x = extractelement {words} %{n}v, i64 %{n}i\n%{n}y = zext i16 %{n}x to i64\n"
        return text + f"%{n} = insertelement <2 x i64> zeroinitializer, i64 %{n}y, i32 0"
    kind, element = {"pshufl": (words, "i16"), "pshufh": (words, "i16"), "shufpd": (quads, "i64")}.get(
        name[:6], (dwords, "i32")
    )
    text = f"%{n}a = bitcast <2 x i64> %a to {kind}\n%{n}b = bitcast <2 x i64> %b to {kind}\n"
    whole = f"{n}b"
    for i in range(2 if name == "shufpd" else 4):
        base = 4 if name == "pshufhw" else 0
        source = f"{n}a" if name in ("shufps", "shufpd") and i < (1 if name == "shufpd" else 2) else f"{n}b"
        bits = 1 if name == "shufpd" else 2
        text += _lane(source, kind, i * bits, (1 << bits) - 1, f"{n}e{i}", base)
        text += f"%{n}v{i} = insertelement {kind} %{whole}, {element} %{n}e{i}, i64 {base + i}\n"
        whole = f"{n}v{i}"
    return text + f"%{n} = bitcast {kind} %{whole} to <2 x i64>"


def _back(name: str, kind: str) -> str:
    return f"%{name} = bitcast {kind} %{name}r to <2 x i64>"


def _shuffle_text() -> str:
    targets = " ".join(f"i64 {number}, label %{name}_" for name, number in SHUFFLE.items())
    parts = [f"{name}_:\n{_arrange(name)}\nstore <2 x i64> %{name}, ptr %pb, align 8\nret void" for name in SHUFFLES]
    return _LATCHES + f"switch i64 %operation, label %none [ {targets} ]\n" + "\n".join(parts) + "\nnone:\nunreachable"


@primitive(arguments=("machine", "i64", "i64"), result="void", llvm=_shuffle_text(), below=(("%1", len(SHUFFLES)),))
def shuffle(m: Machine, kind: int, order: int) -> None:
    """m.operand ← lanes of m.first and m.operand as the immediate `order` says."""
    _put(m.operand, rearranged(SHUFFLES[kind], join(m.first, 32), join(m.operand, 32), int(order)))


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_vector(
        "%p = alloca i32\n%w = trunc i64 %1 to i32\nstore i32 %w, ptr %p\n"
        'call void asm sideeffect "ldmxcsr $0", "*m,~{memory}"(ptr elementtype(i32) %p)\nret void'
    ),
    symbol=_external("set_float_control"),
)
def set_float_control(m: Machine, value: int) -> None:
    """Load the host's MXCSR."""
    m.float_control = int(value)


@primitive(
    arguments=("machine",),
    result="i64",
    llvm=_vector(
        "%p = alloca i32\n"
        'call void asm sideeffect "stmxcsr $0", "=*m,~{memory}"(ptr elementtype(i32) %p)\n'
        "%w = load i32, ptr %p\n%v = zext i32 %w to i64\nret i64 %v"
    ),
    symbol=_external("float_control"),
)
def float_control(m: Machine) -> int:
    """The host's MXCSR."""
    return int(m.float_control)


# The plain reading of floating-point operations


def _native(cases: list[tuple[int, str, bool]]) -> Primitive:
    """(operation, MXCSR, address of first and operand) → MXCSR after."""
    done = "br label %done"
    results = ", ".join(f"[ %r{number}, %o{number} ]" for number, _, _ in cases)
    body = f"""%control = alloca i32
%own = alloca i32
%given = trunc i64 %1 to i32
store i32 %given, ptr %control
%pa = inttoptr i64 %2 to ptr
%pb = getelementptr i8, ptr %pa, i64 16
%a = load <2 x i64>, ptr %pa, align 1
%b = load <2 x i64>, ptr %pb, align 1
%operation = add i64 %0, 0
call void asm sideeffect "stmxcsr $0", "=*m,~{{memory}}"(ptr elementtype(i32) %own)
call void asm sideeffect "ldmxcsr $0", "*m,~{{memory}}"(ptr elementtype(i32) %control)
{_switch(cases, done)}
done:
%r = phi <2 x i64> {results}
store <2 x i64> %r, ptr %pb, align 1
call void asm sideeffect "stmxcsr $0", "=*m,~{{memory}}"(ptr elementtype(i32) %control)
call void asm sideeffect "ldmxcsr $0", "*m,~{{memory}}"(ptr elementtype(i32) %own)
%after = load i32, ptr %control
%wide = zext i32 %after to i64
ret i64 %wide"""
    return Primitive(("i64", "i64", "i64"), "i64", None, _vector(body))


_COMPUTE_NATIVE = _native([case for case in _COMPUTE if case[2]])
_COMPARE_NATIVE = _native(_COMPARE)


def _on_host(m: Machine, operation: int, function: Primitive) -> None:
    both = (ctypes.c_uint32 * 8)(*m.first, *m.operand)
    m.float_control = int(native(function)(int(operation), int(m.float_control), ctypes.addressof(both)))
    _put(m.operand, join(list(both)[4:], 32))


def _put(latch: list[int], value: int) -> None:
    for i, lane in enumerate(lanes(value, 32)):
        latch[i] = lane
