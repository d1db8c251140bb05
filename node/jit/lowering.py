"""Jitted Python → LLVM modules, by numba. The only file that knows numba.

Each registered function is copied with its globals replaced by compiled counterparts, so the plain functions stay
plain.
numba optimises nothing here (one pipeline over the whole program comes later, in `compose.py`) and makes no native
code.
"""

import types as python_types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.codegen import JITCodeLibrary
from numba.core.datamodel.models import RecordModel
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_getattr_generic, lower_setattr_generic
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import record_getattr, record_setattr

from node.ia32.blocks import BLOCK
from node.ia32.state import CPU, MACHINE, OP
from node.jit.checks import Checks
from node.jit.hot_fields import HOT
from node.jitted import PRIMITIVES, REGISTRY, Primitive, cold_symbol

# `config` makes its attributes at run time, hence setattr.
setattr(config, "OPT", config._OptLevel(0))  # noqa: B010
setattr(config, "DISABLE_JIT", 0)  # noqa: B010 (who sets NUMBA_DISABLE_JIT wants plain functions plain: they are)


class SplitRecord(types.Record):
    """A record of which translated regions hold some fields themselves: all others are reached through a function of
    the record's address, which is the identity in the interpreter (`cold_definitions`)."""

    def __init__(self, kind: str, record: Any) -> None:
        self.kind, self.hot = kind, HOT[kind]
        fields = [(name, field._asdict()) for name, field in record.fields.items()]
        super().__init__(fields, record.size, record.aligned)


register_default(SplitRecord)(RecordModel)


@lower_getattr_generic(SplitRecord)  # type: ignore[untyped-decorator]
def _get_field(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    return record_getattr(context, builder, kind, _base_of(builder, kind, value, name), name)


@lower_setattr_generic(SplitRecord)  # type: ignore[untyped-decorator]
def _set_field(context: Any, builder: Any, signature: Any, args: Any, name: str) -> Any:
    record, value = args
    base = _base_of(builder, signature.args[0], record, name)
    return record_setattr(context, builder, signature, (base, value), name)


def _base_of(builder: Any, kind: SplitRecord, value: Any, name: str) -> Any:
    if name in kind.hot:
        return value
    pointer = ir.IntType(8).as_pointer()
    symbol = cold_symbol(kind.kind)
    callee = builder.module.globals.get(symbol) or ir.Function(
        builder.module, ir.FunctionType(pointer, [pointer]), symbol
    )
    return builder.bitcast(builder.call(callee, [builder.bitcast(value, pointer)]), value.type)


def cold_definition(kind: str) -> str:
    """In the interpreter all fields lie together."""
    return f"define weak_odr ptr @{cold_symbol(kind)}(ptr %0) alwaysinline nounwind {{\n  ret ptr %0\n}}"


def cold_definitions() -> str:
    return "\n".join(cold_definition(kind) for kind in HOT)


RECORDS = {
    "cpu": SplitRecord("cpu", numba.from_dtype(CPU)),
    "machine": SplitRecord("machine", numba.from_dtype(MACHINE)),
    "op": numba.from_dtype(OP),
    "block": numba.from_dtype(BLOCK),
}
TYPES = {"i64": types.int64, "void": types.void, **RECORDS}
LLVM_NAMES = {"i64": "i64", "void": "void", "cpu": "ptr", "machine": "ptr", "op": "ptr", "block": "ptr"}


def primitive_symbol(function: Callable[..., Any], primitive: Primitive) -> str:
    return primitive.symbol or f"limosa_prim_{function.__name__}"


def primitive_definitions(checks: Checks) -> str:
    """LLVM text that defines every primitive with a body."""
    parts = ["declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)", "declare i32 @llvm.fshr.i32(i32, i32, i32)"]
    for name in ("NRT_incref", "NRT_decref"):  # numba counts references to array fields of records: there are none
        parts.append(f"define void @{name}(ptr %0) alwaysinline nounwind {{\n  ret void\n}}")
    for function, primitive in PRIMITIVES.items():
        arguments = ", ".join(f"{LLVM_NAMES[a]} %{i}" for i, a in enumerate(primitive.arguments))
        name = primitive_symbol(function, primitive)
        head = f"{LLVM_NAMES[primitive.result]} @{name}({arguments})"
        if primitive.llvm is None:
            continue
        body = checks.of_primitive(primitive) + primitive.llvm
        parts.append(f"define weak_odr {head} alwaysinline nounwind {{\nentry:\n{body}\n}}")
    return "\n".join([*parts, checks.common])


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled version of a function: the kinds of its arguments and result, and numba's library with its code."""

    function: Callable[..., Any]
    kinds: tuple[str, ...]
    result: str  # "" for none
    library: Any


def _kind_of(numba_type: Any) -> str:
    for name, known in RECORDS.items():
        if numba_type == known:
            return name
    return "i8" if isinstance(numba_type, types.Boolean) else "i64"


class Lowering:
    """Compiles registered functions; one instance a build."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.libraries: list[Any] = []  # one for each numba function compiled, its own code only
        self._dispatchers: dict[Callable[..., Any], Any] = {}
        self._intrinsics: dict[Callable[..., Any], Any] = {}

    def compile(self, function: Callable[..., Any], arguments: tuple[str, ...]) -> str:
        """Symbol of `function` for argument kinds such as ('cpu', 'machine', 'i64')."""
        signature = tuple(TYPES[a] for a in arguments)
        dispatcher = self._dispatcher(function)
        with _no_native_code(self.libraries), _indexes_checked(self.checks):
            dispatcher.compile(signature)
        result = dispatcher.overloads[signature]
        return str(result.fndesc.mangled_name)

    def compiled(self) -> dict[str, "Compiled"]:
        """Everything compiled so far, by symbol."""
        found: dict[str, Compiled] = {}
        for function, dispatcher in self._dispatchers.items():
            for result in dispatcher.overloads.values():
                kinds = tuple(_kind_of(t) for t in result.fndesc.argtypes)
                returned = result.fndesc.restype
                kind = "" if returned == types.none else _kind_of(returned)
                found[str(result.fndesc.mangled_name)] = Compiled(function, kinds, kind, result.library)
        return found

    def _dispatcher(self, function: Callable[..., Any]) -> Any:
        known = self._dispatchers.get(function)
        if known is not None:
            return known
        scope = dict(function.__globals__)
        for name in function.__code__.co_names:
            value = scope.get(name)
            if isinstance(value, python_types.FunctionType):
                if value in REGISTRY:
                    scope[name] = self._dispatcher(value)
                elif value in PRIMITIVES:
                    scope[name] = self._intrinsic(value)
        copy = python_types.FunctionType(function.__code__, scope, function.__name__)
        dispatcher = numba.njit(
            error_model="numpy",
            boundscheck=self.checks.bounds,
            forceinline=REGISTRY[function].inline,
            no_cpython_wrapper=True,
            no_cfunc_wrapper=True,
        )(copy)
        dispatcher.get_call_template = partial(_call_with_int64, dispatcher.get_call_template)
        self._dispatchers[function] = dispatcher
        return dispatcher

    def _intrinsic(self, function: Callable[..., Any]) -> Any:
        if function not in self._intrinsics:
            self._intrinsics[function] = _as_intrinsic(function, PRIMITIVES[function])
        return self._intrinsics[function]


@contextmanager
def _no_native_code(libraries: list[Any]) -> Iterator[None]:
    """Collect what numba lowers instead of generating machine code. It wants an entry point for each function, as a
    key only."""
    context = cpu_target.target_context
    context.refresh()  # numba's own run-time library is compiled by the first refresh, as usual
    finalize = JITCodeLibrary._finalize_specific
    context.get_executable = lambda library, fndesc, env: _collect(libraries, library)
    JITCodeLibrary._finalize_specific = lambda library: None
    try:
        yield
    finally:
        del context.get_executable
        JITCodeLibrary._finalize_specific = finalize


@contextmanager
def _indexes_checked(checks: Checks) -> Iterator[None]:
    """Instead of raising IndexError, for which this code has no use."""
    before = cgutils.do_boundscheck
    cgutils.do_boundscheck = checks.index
    try:
        yield
    finally:
        cgutils.do_boundscheck = before


def _collect(libraries: list[Any], library: Any) -> Any:
    """Keep the function's own code. `compose.py` links each library once; left to itself, numba would link into every
    function what it calls, and what that calls: a third of the time that compiling takes."""
    internal = [callee for callee in library._linking_libraries if callee not in libraries]  # numba's own functions
    library._finalized = True
    libraries += [*internal, library]
    return [].append  # any unique built-in method


def _call_with_int64(get_call_template: Callable[..., Any], args: tuple[Any, ...], kws: Any) -> Any:
    """One compiled version a function: constants and narrow fields are passed as int64."""
    wide = tuple(types.int64 if isinstance(types.unliteral(a), types.Integer) else types.unliteral(a) for a in args)
    return get_call_template(wide, kws)


def _as_intrinsic(function: Callable[..., Any], primitive: Primitive) -> Any:
    """A call of the primitive's symbol; its body is linked in by `compose.py`."""
    signature = TYPES[primitive.result](*(TYPES[a] for a in primitive.arguments))
    pointer = ir.IntType(8).as_pointer()
    kinds = [ir.IntType(64) if a == "i64" else pointer for a in primitive.arguments]
    result = {"i64": ir.IntType(64), "void": ir.VoidType()}.get(primitive.result, pointer)
    name = primitive_symbol(function, primitive)

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        callee = builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(result, kinds), name)
        passed = [
            v if a == "i64" else builder.bitcast(v, pointer) for v, a in zip(values, primitive.arguments, strict=True)
        ]
        value = builder.call(callee, passed)
        if primitive.result == "void":
            return context.get_dummy_value()
        if primitive.result == "i64":
            return value
        return builder.bitcast(value, context.get_value_type(TYPES[primitive.result]))

    arity = len(primitive.arguments)
    names = ", ".join(f"a{i}" for i in range(arity))
    scope: dict[str, Any] = {"signature": signature, "generate": generate}
    exec(f"def typing(context{', ' if names else ''}{names}):\n    return signature, generate", scope)
    typing = scope["typing"]
    typing.__name__ = function.__name__
    return intrinsic(typing)


def parse(text: str) -> Any:
    module = llvm.parse_assembly(text)
    module.verify()
    return module
