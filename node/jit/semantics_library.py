"""The semantics as LLVM text, one small function a handler, for translated regions to be made of.

They are the interpreter's own numba functions, inlined and simplified once. They work on private copies of the hot
fields (`hot_fields.py`); what is not inlined is called through the table of helpers in the machine record:

    i64 limosa_s17(cpu copy, machine copy, op)        result: what a conditional branch returns, otherwise undefined
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

from node.ia32.handlers import Handler
from node.jit.dispatch import FIRST_HELPER
from node.jit.hot_fields import CHANGEABLE, HOT, effects_of, inline_effects_of
from node.jit.lowering import LLVM_NAMES, Compiled, Lowering, parse, primitive_definitions
from node.jit.record_copies import HELPERS, NARROW_RANGE_TEXT, REAL, START_AGAIN, fetch_text, offset, write_back_text
from node.jit.runs import handlers_and_runs
from node.jitted import REGISTRY, cold_symbol


def region_cold_definition(kind: str) -> str:
    return (
        f"define weak_odr ptr @{cold_symbol(kind)}(ptr %0) alwaysinline nounwind {{\n"
        f"  %p = getelementptr i8, ptr %0, i64 {REAL[kind]}\n  %r = load ptr, ptr %p, align 8\n  ret ptr %r\n}}"
    )


@dataclass(frozen=True, slots=True)
class Helper:
    """A function that regions call: `symbol` in the interpreter, `number` in the table of helpers."""

    symbol: str
    function: Callable[..., Any]
    number: int


def is_inlined(function: Callable[..., Any]) -> bool:
    """Whether a region contains it."""
    kind = REGISTRY[function]
    return kind.inline or kind.fold


def stays_out(function: Callable[..., Any]) -> bool:
    """A semantic that a region calls as a whole: compiled so, or it changes what regions hold to be constant."""
    return not is_inlined(function) or bool(inline_effects_of(function).writes - CHANGEABLE)


def wrapper_text(helper: Helper, compiled: Compiled, *, rare: bool) -> str:
    """`helper` as seen from a region: write back what it reads, call it on the records, read what it wrote. It gets
    places of its own for its result, so that the caller's need not be in memory."""
    if REGISTRY[helper.function].slow:
        return start_again_text(helper.symbol, compiled)
    effects = effects_of(helper.function)
    kinds, types = compiled.kinds, _llvm_types(compiled.kinds)
    names = [f"%a{i}" for i in range(len(kinds))]
    declared = ", ".join(f"{t} {n}" for t, n in zip(types, names, strict=True))
    after: list[str] = []
    lines = [f"define i32 @{helper.symbol}(ptr %ret, ptr %exc, {declared}) alwaysinline nounwind {{", "entry:"]
    lines += ["%own = alloca i64", "%ownexc = alloca ptr"]
    if compiled.result:
        result = LLVM_NAMES.get(compiled.result, compiled.result)
        after += [f"%v = load {result}, ptr %own", f"store {result} %v, ptr %ret"]
    passed = list(names)
    table = ""
    for i, kind in enumerate(kinds):
        if kind not in HOT or passed[i] != names[i]:
            continue
        real = f"%real{i}"
        lines += [f"%rp{i} = getelementptr i8, ptr {names[i]}, i64 {REAL[kind]}", f"{real} = load ptr, ptr %rp{i}"]
        table = table or f"%hp = getelementptr i8, ptr {names[i]}, i64 {HELPERS[kind]}"
        passed[i] = real
        out = sorted(effects.touched & CHANGEABLE & HOT[kind])
        lines += write_back_text(kind, out, names[i], real, f"o{i}_")
        after += fetch_text(kind, sorted(effects.writes & HOT[kind]), real, names[i], f"i{i}_")
    arguments = ", ".join(f"{t} {n}" for t, n in zip(types, passed, strict=True))
    lines += [
        table,
        "%h = load ptr, ptr %hp",
        f"%fp = getelementptr ptr, ptr %h, i64 {helper.number}",
        "%f = load ptr, ptr %fp, !invariant.load !9",
        f"%s = call i32 %f(ptr %own, ptr %ownexc, {arguments}){' cold' if rare else ''}",
        *after,
        "ret i32 0",
        "}",
    ]
    return "\n".join(lines)


def start_again_text(symbol: str, compiled: Compiled) -> str:
    """Like a fault: the semantic stops without having changed anything."""
    types = _llvm_types(compiled.kinds)
    declared = ", ".join(f"{t} %a{i}" for i, t in enumerate(types))
    machine = f"%a{compiled.kinds.index('machine')}"
    lines = [f"define i32 @{symbol}(ptr %ret, ptr %exc, {declared}) alwaysinline nounwind {{", "entry:"]
    for field, value in (("leave", START_AGAIN), ("fault", 1)):
        lines += [f"%{field} = getelementptr i8, ptr {machine}, i64 {offset('machine', field)}"]
        lines += [f"store i64 {value}, ptr %{field}, align 8"]
    if compiled.result:
        lines += [f"store {LLVM_NAMES.get(compiled.result, compiled.result)} 0, ptr %ret"]
    return "\n".join([*lines, "ret i32 0", "}"])


def is_part(compiled: Compiled) -> bool:
    """Whether regions contain it. What takes no record has no table of helpers to be called through."""
    return is_inlined(compiled.function) or not HOT.keys() & set(compiled.kinds)


def inlined_libraries(lowering: Lowering, without: Sequence[str] = ()) -> list[Any]:
    """The code of all that regions contain, but for some symbols'."""
    outside = {id(c.library) for symbol, c in lowering.compiled().items() if symbol in without or not is_part(c)}
    return [library for library in lowering.libraries if id(library) not in outside]


class LibraryBuilder:
    """Made beside the interpreter, from the same lowered functions."""

    def __init__(self, lowering: Lowering, symbols: dict[int, str]) -> None:
        """`symbols`: the numba function of each handler's semantic."""
        self._symbols, self._checks = symbols, lowering.checks
        self._compiled = lowering.compiled()
        self._inside = inlined_libraries(lowering)
        called = sorted(self._called())
        self.helpers = [Helper(s, self._compiled[s].function, FIRST_HELPER + i) for i, s in enumerate(called)]

    def _is_inlined(self, symbol: str) -> bool:
        return is_part(self._compiled[symbol])

    def _called(self) -> set[str]:
        """Symbols that inlined code calls, and semantics that are called as a whole."""
        mentioned = {f.name for library in self._inside for f in library._final_module.functions}
        called = {s for s in mentioned if s in self._compiled and not self._is_inlined(s)}
        handlers = handlers_and_runs()
        roots = {s: h.semantic for n, s in self._symbols.items() if (h := handlers[n]) is not None}
        return called | {s for s, f in roots.items() if stays_out(f)}

    def build(self, target: Any) -> list[str]:
        """The declarations that the texts need, and the text of each handler's function by number ('' where there is
        none)."""
        handlers = handlers_and_runs()
        module = parse(self._frame(handlers))
        for library in self._inside:
            module.link_in(weak(library._final_module.clone()))
        module = parse(re.sub(r"\b(no|always)inline\b", "nounwind", str(module)))
        roots = set(self._symbols.values())
        _inline_all_but(module, lambda name: name in roots or name.startswith("limosa_s"))
        simplify(module, target)  # each semantic once, before it is inlined with many a set of constants
        _inline_all_but(module, lambda name: name.startswith("limosa_s"))
        simplify(module, target)
        return _split(str(module), len(handlers))

    def _frame(self, handlers: Sequence[Handler | None]) -> str:
        parts = [primitive_definitions(self._checks), *map(region_cold_definition, HOT), self._checks.declaration]
        whole = set(self._symbols.values())
        for helper in self.helpers:
            parts.append(wrapper_text(helper, self._compiled[helper.symbol], rare=helper.symbol not in whole))
        wrapped = {helper.symbol for helper in self.helpers}
        for symbol in sorted(set(self._symbols.values()) - wrapped):
            types = ", ".join(_llvm_types(self._compiled[symbol].kinds))
            parts.append(f"declare i32 @{symbol}(ptr, ptr, {types})")
        for number, symbol in self._symbols.items():
            handler = handlers[number]
            assert handler is not None
            parts.append(_handler_text(number, handler, symbol))
        return "\n".join([*parts, "!9 = !{}", NARROW_RANGE_TEXT])


def _llvm_types(kinds: Sequence[str]) -> list[str]:
    return [LLVM_NAMES.get(kind, kind) for kind in kinds]


def _handler_text(number: int, handler: Handler, symbol: str) -> str:
    constants = "".join(f", i64 {k}" for k in handler.constants)
    return (
        f"define i64 @limosa_s{number}(ptr %c, ptr %m, ptr %e) {{\nentry:\n  %ret = alloca i64\n  %exc = alloca ptr\n"
        f"  %s = call i32 @{symbol}(ptr %ret, ptr %exc, ptr %c, ptr %m, ptr %e{constants})\n"
        "  %v = load i64, ptr %ret\n  ret i64 %v\n}"
    )


def weak(module: Any) -> Any:
    for function in module.functions:
        if not function.is_declaration:
            function.linkage = "weak_odr"
    return module


def _inline_all_but(module: Any, kept: Callable[[str], bool]) -> None:
    for function in module.functions:
        if not function.is_declaration and not kept(function.name):
            function.linkage = "internal"
            function.add_function_attribute("alwaysinline")


def simplify(module: Any, target: Any) -> None:
    """Inline everything, then what makes the texts small; regions are optimised again when they are whole."""
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_sroa_pass()
    passes.add_sccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_dead_store_elimination_pass()
    passes.add_aggressive_dce_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)


_METADATA = re.compile(r", ![a-z.]+ !\d+|(?<=\)) local_unnamed_addr")
_ATTRIBUTES = re.compile(r" #(\d+)")
_IDLE = re.compile(r"@llvm\.(lifetime|experimental\.noalias)")
# A name that is used, a label, or a string (assembly has names of its own in it)
_NAME = re.compile(r'%("[^"]*"|[\w.$-]+)|^("[^"]*"|[\w.$-]+):|"[^"]*"', re.MULTILINE)


def _split(text: str, count: int) -> list[str]:
    """Cut a module's text into its handlers' functions, each free of what is numbered in the whole."""
    cold = {m[1] for m in re.finditer(r"^attributes #(\d+) = {[^\n]*\bcold\b", text, re.MULTILINE)}
    text = _METADATA.sub("", text)
    text = _ATTRIBUTES.sub(lambda m: " cold" if m[1] in cold else "", text)
    declarations = [line for line in text.splitlines() if line.startswith("declare ")]
    found = [""] * count
    for match in re.finditer(r"^define [^@\n]*@limosa_s(\d+)\(.*?^}", text, re.MULTILINE | re.DOTALL):
        body = re.sub(r" *; preds = .*", "", match[0].split("\n", 1)[1])
        body = "\n".join(line for line in body.splitlines() if not _IDLE.search(line))
        head = f"define internal i64 @limosa_s{match[1]}(ptr %c, ptr %m, ptr %e) alwaysinline nounwind {{\n"
        found[int(match[1])] = head + _renamed(body)
    return ["\n".join(declarations), *found]


def _renamed(body: str) -> str:
    """Short names: most of a text would be names otherwise."""
    names = {"c": "c", "m": "m", "e": "e"}

    def short(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return match[0]
        known = names.setdefault(name, f"v{len(names)}")
        return f"%{known}" if match[1] else f"{known}:"

    return _NAME.sub(short, body)
