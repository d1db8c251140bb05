"""The one place that says how plain Python becomes native code.

A *jitted* function is ordinary Python over ints and records; decorating it changes nothing: called from Python it
runs as
Python (the oracle that one can step through). `node.jit` later compiles the very same functions with numba. A
*primitive* is
what Python cannot say (a load from an address): it carries a Python body and an LLVM body of the same meaning.

The rules for jitted code, so that both readings agree (numba and Python ints differ outside them):
* every value is a non-negative int64; results are masked explicitly (`& M32`); nothing relies on wrap-around;
* record fields are int64, or are read through `int(...)`;
* no exceptions, strings, allocation, keyword arguments or defaults; a guest fault is data in the machine record.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")

# Field types of a record class: `eip: I64` and `gpr: Annotated[list[int], np.int64, 9]`.
I64 = Annotated[int, np.int64]
U8 = Annotated[int, np.uint8]
U16 = Annotated[int, np.uint16]
U32 = Annotated[int, np.uint32]


def record_dtype(shape: type) -> np.dtype[np.void]:
    """The numpy dtype of an annotated record class, fields in the order of declaration."""
    fields: list[Any] = []
    for name, hint in get_type_hints(shape, include_extras=True).items():
        scalar, *count = hint.__metadata__
        fields.append((name, scalar, *count))
    return np.dtype(fields, align=True)


class RecordView:
    """A record as attributes over someone else's bytes, all values plain Python ints (numpy's own record views lose
    field
    names such as `base` and `flags` to methods). Subclasses are made by `view_class`."""

    def __init__(self, memory: memoryview) -> None:
        self._by_size = {1: memory, 2: memory.cast("H"), 4: memory.cast("I"), 8: memory.cast("q")}


@cache
def view_class(dtype: np.dtype[np.void]) -> type[RecordView]:
    """A RecordView with an attribute for each field; array fields are memoryviews, which index like lists."""
    attributes: dict[str, Any] = {}
    for name in dtype.names or ():
        assert dtype.fields is not None
        field, offset = dtype.fields[name][:2]
        attributes[name] = _array_field(offset, field) if field.subdtype else _scalar_field(offset, field.itemsize)
    return type("Record", (RecordView,), attributes)


def _scalar_field(offset: int, size: int) -> property:
    index = offset // size

    def read(self: RecordView) -> int:
        return self._by_size[size][index]

    def write(self: RecordView, value: int) -> None:
        self._by_size[size][index] = value

    return property(read, write)


def _array_field(offset: int, field: np.dtype[Any]) -> property:
    assert field.subdtype is not None
    element = field.subdtype[0].name

    def read(self: RecordView) -> memoryview:
        part = self._by_size[1][offset : offset + field.itemsize]
        return part.cast("I") if element == "uint32" else part.cast("Q") if element == "uint64" else part.cast("q")

    return property(read)


def new_record(dtype: np.dtype[np.void]) -> tuple[npt.NDArray[np.void], Any]:
    """A zeroed array of one record, and that record as attributes, both over the same memory."""
    array = np.zeros(1, dtype)
    return array, view_class(dtype)(array.view(np.uint8).data)


def record_at(address: int, dtype: np.dtype[np.void]) -> Any:
    """The record of `dtype` that lies at an address of this process (plain Python's way to follow one)."""
    buffer = (ctypes.c_char * dtype.itemsize).from_address(address)
    return view_class(dtype)(memoryview(buffer).cast("B"))


@dataclass(frozen=True, slots=True)
class Jitted:
    """How a registered function is compiled."""

    inline: bool
    fold: bool = False
    slow: bool = False


def cold_symbol(kind: str) -> str:
    """In a primitive's LLVM text, the function that yields the address of a record proper, "cpu" or "machine":
    translated code hands private copies about, of which only the fields of `node.jit.hot_fields` are valid."""
    return f"limosa_cold_{kind}"


REGISTRY: dict[Callable[..., Any], Jitted] = {}


def jitted(function: Callable[P, R]) -> Callable[P, R]:
    """Compiled as a function of its own: for slow paths and large bodies."""
    REGISTRY[function] = Jitted(inline=False)
    return function


def folding(function: Callable[P, R]) -> Callable[P, R]:
    """Compiled as a function of its own for the interpreter, and into its callers in translated code, where most of
    what it asks is known beforehand."""
    REGISTRY[function] = Jitted(inline=False, fold=True)
    return function


def slow_path(function: Callable[P, R]) -> Callable[P, R]:
    """Compiled as a function of its own, and never reached in translated code: an instruction that would get here is
    started again by the interpreter. So it must not have changed anything yet, as with a fault; and like one it sets
    `m.fault` or its caller goes on as if it had not been called."""
    REGISTRY[function] = Jitted(inline=False, slow=True)
    return function


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compiled into each caller: for the vocabulary of which semantics are made."""
    REGISTRY[function] = Jitted(inline=True)
    return function


@dataclass(frozen=True, slots=True)
class Touch:
    """Memory of this process that a primitive reaches by a number: both in the words of its LLVM text."""

    address: str
    size: str | int
    if_any: bool = False  # an address of 0 stands for no memory


@dataclass(frozen=True, slots=True)
class Primitive:
    """`arguments` and `result` are LLVM-like type letters ('i64' or 'void'; 'cpu', 'machine', 'op' for records);
    `llvm` writes the body as LLVM IR text given the SSA names of the arguments, or names an external symbol to call.
    `touches` and `below` (a number, and what it is taken to be below) tell what nobody but a checked build looks at."""

    arguments: tuple[str, ...]
    result: str
    symbol: str | None
    llvm: str | None
    touches: tuple[Touch, ...] = ()
    below: tuple[tuple[str, int], ...] = ()


PRIMITIVES: dict[Callable[..., Any], Primitive] = {}


def primitive(
    *,
    arguments: tuple[str, ...],
    result: str,
    llvm: str | None = None,
    symbol: str | None = None,
    touches: tuple[Touch, ...] = (),
    below: tuple[tuple[str, int], ...] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`llvm`: the text of an LLVM function body over %0, %1, … (one per argument); `symbol`: the name of a function
    that
    `node.jit` links in. The decorated Python function is the same meaning for plain runs."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        PRIMITIVES[function] = Primitive(arguments, result, symbol, llvm, touches, below)
        return function

    return register


def _peek(bits: int, name: str) -> Callable[[int], int]:
    kind = {8: ctypes.c_uint8, 16: ctypes.c_uint16, 32: ctypes.c_uint32, 64: ctypes.c_int64}[bits]
    extend = f"%w = zext i{bits} %v to i64\nret i64 %w" if bits < 64 else "ret i64 %v"

    def peek(address: int) -> int:
        return int(kind.from_address(address).value)

    peek.__name__ = peek.__qualname__ = name
    body = f"%p = inttoptr i64 %0 to ptr\n%v = load i{bits}, ptr %p, align 1\n{extend}"
    return primitive(arguments=("i64",), result="i64", llvm=body, touches=(Touch("%0", bits // 8),))(peek)


def _poke(bits: int, name: str) -> Callable[[int, int], None]:
    kind = {8: ctypes.c_uint8, 16: ctypes.c_uint16, 32: ctypes.c_uint32, 64: ctypes.c_int64}[bits]
    narrow = f"%v = trunc i64 %1 to i{bits}\n" if bits < 64 else "%v = add i64 %1, 0\n"

    def poke(address: int, value: int) -> None:
        kind.from_address(address).value = int(value)

    poke.__name__ = poke.__qualname__ = name
    body = f"%p = inttoptr i64 %0 to ptr\n{narrow}store i{bits} %v, ptr %p, align 1\nret void"
    return primitive(arguments=("i64", "i64"), result="void", llvm=body, touches=(Touch("%0", bits // 8),))(poke)


peek8, peek16, peek32, peek64 = (_peek(bits, f"peek{bits}") for bits in (8, 16, 32, 64))
poke8, poke16, poke32, poke64 = (_poke(bits, f"poke{bits}") for bits in (8, 16, 32, 64))
