"""The vector unit's two latches, `m.first` and `m.operand`: 16 bytes each, moved whole.

An MMX or SSE instruction brings its operands here, computes into `m.operand`, and takes the result from there. Each
move is one primitive, so that native code moves 16 bytes at a time and the optimiser sees through it; what is not
moved in (the upper half behind an MMX register or a short memory operand) is zero.
"""

import ctypes

from node.ia32.state import CPU, MACHINE, Cpu, Machine
from node.jitted import Touch, cold_symbol, primitive


def _offset(of: object, name: str) -> int:
    return int(of.fields[name][1])  # type: ignore[attr-defined]


XMM, FPU = _offset(CPU, "xmm"), _offset(CPU, "fpu")
FIRST, OPERAND = _offset(MACHINE, "first"), _offset(MACHINE, "operand")


def _register(base: int, name: str) -> str:
    """SSA pointer `name` to register %2 of the Cpu record %0."""
    at = f"%{name}o = shl i64 %2, 4\n%{name}a = add i64 %{name}o, {base}\n"
    record = f"%{name}c = call ptr @{cold_symbol('cpu')}(ptr %0)\n"
    return at + record + f"%{name} = getelementptr i8, ptr %{name}c, i64 %{name}a\n"


def _latch(machine: str, offset: int) -> str:
    return f"%latch = getelementptr i8, ptr {machine}, i64 {offset}\n"


_SIXTEEN = "%v = load <2 x i64>, ptr %{0}, align 8\nstore <2 x i64> %v, ptr %{1}, align 8\nret void"
_EIGHT = (
    "%w = load i64, ptr %{0}, align 1\n%v = insertelement <2 x i64> zeroinitializer, i64 %w, i32 0\n"
    "store <2 x i64> %v, ptr %{1}, align 8\nret void"
)
_REGISTER = ("cpu", "machine", "i64")
_NUMBER = (("%2", 8),)


@primitive(
    arguments=_REGISTER,
    result="void",
    llvm=_register(XMM, "r") + _latch("%1", FIRST) + _SIXTEEN.format("r", "latch"),
    below=_NUMBER,
)
def first_from_xmm(c: Cpu, m: Machine, number: int) -> None:
    for i in range(4):
        m.first[i] = c.xmm[4 * number + i]


@primitive(
    arguments=_REGISTER,
    result="void",
    llvm=_register(XMM, "r") + _latch("%1", OPERAND) + _SIXTEEN.format("r", "latch"),
    below=_NUMBER,
)
def operand_from_xmm(c: Cpu, m: Machine, number: int) -> None:
    for i in range(4):
        m.operand[i] = c.xmm[4 * number + i]


@primitive(
    arguments=_REGISTER,
    result="void",
    llvm=_register(XMM, "r") + _latch("%1", OPERAND) + _SIXTEEN.format("latch", "r"),
    below=_NUMBER,
)
def operand_to_xmm(c: Cpu, m: Machine, number: int) -> None:
    for i in range(4):
        c.xmm[4 * number + i] = m.operand[i]


@primitive(
    arguments=_REGISTER,
    result="void",
    llvm=_register(FPU, "r") + _latch("%1", FIRST) + _EIGHT.format("r", "latch"),
    below=_NUMBER,
)
def first_from_mmx(c: Cpu, m: Machine, number: int) -> None:
    _set(m.first, c.fpu[2 * number])


@primitive(
    arguments=_REGISTER,
    result="void",
    llvm=_register(FPU, "r") + _latch("%1", OPERAND) + _EIGHT.format("r", "latch"),
    below=_NUMBER,
)
def operand_from_mmx(c: Cpu, m: Machine, number: int) -> None:
    _set(m.operand, c.fpu[2 * number])


@primitive(
    arguments=_REGISTER,
    result="void",
    llvm=_register(FPU, "r")
    + _latch("%1", OPERAND)
    + "%v = load i64, ptr %latch, align 8\nstore i64 %v, ptr %r, align 8\n"
    + "%x = getelementptr i8, ptr %r, i64 8\nstore i64 65535, ptr %x, align 8\nret void",
    below=_NUMBER,
)
def operand_to_mmx(c: Cpu, m: Machine, number: int) -> None:
    """The register's sign and exponent become all ones (SDM 3A 12.2)."""
    c.fpu[2 * number] = m.operand[0] | m.operand[1] << 32
    c.fpu[2 * number + 1] = 0xFFFF


_AT = "%at = inttoptr i64 %1 to ptr\n"


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_AT
    + _latch("%0", OPERAND)
    + "%v = load <2 x i64>, ptr %at, align 1\nstore <2 x i64> %v, ptr %latch, align 8\nret void",
    touches=(Touch("%1", 16),),
)
def operand_from_16(m: Machine, address: int) -> None:
    """Sixteen bytes at an address of this process."""
    for i in range(4):
        m.operand[i] = ctypes.c_uint32.from_address(int(address) + 4 * i).value


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_AT + _latch("%0", OPERAND) + _EIGHT.format("at", "latch"),
    touches=(Touch("%1", 8),),
)
def operand_from_8(m: Machine, address: int) -> None:
    _set(m.operand, ctypes.c_uint64.from_address(int(address)).value)


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_latch("%0", OPERAND)
    + "%v = insertelement <2 x i64> zeroinitializer, i64 %1, i32 0\n"
    + "store <2 x i64> %v, ptr %latch, align 8\nret void",
)
def operand_from_value(m: Machine, value: int) -> None:
    """A value of at most 32 bits."""
    _set(m.operand, int(value))


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_AT
    + _latch("%0", OPERAND)
    + "%v = load <2 x i64>, ptr %latch, align 8\nstore <2 x i64> %v, ptr %at, align 1\nret void",
    touches=(Touch("%1", 16),),
)
def operand_to_16(m: Machine, address: int) -> None:
    for i in range(4):
        ctypes.c_uint32.from_address(int(address) + 4 * i).value = m.operand[i]


@primitive(
    arguments=("machine", "i64"),
    result="void",
    llvm=_AT + _latch("%0", OPERAND) + "%v = load i64, ptr %latch, align 8\nstore i64 %v, ptr %at, align 1\nret void",
    touches=(Touch("%1", 8),),
)
def operand_to_8(m: Machine, address: int) -> None:
    for i in range(2):
        ctypes.c_uint32.from_address(int(address) + 4 * i).value = m.operand[i]


def _set(latch: list[int], value: int) -> None:
    latch[0], latch[1], latch[2], latch[3] = value & 0xFFFF_FFFF, value >> 32, 0, 0
