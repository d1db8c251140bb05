"""All stencils of an interpreter, made beside it from the same lowered functions."""

from collections.abc import Iterator, Mapping
from typing import Any

from node.ia32.encodings import Handler, tables
from node.ia32.operands import MEM, offset_of
from node.ia32.semantics.control import loop
from node.jit.hot_fields import FLEETING, closure_of, inline_effects_of
from node.jit.lowering import LLVM_NAMES, Lowering, cold_definition, parse, primitive_definitions
from node.jit.semantics_library import inlined_libraries, region_cold_definition, start_again_text, stays_out, weak
from node.jit.special_handlers import JUMP_KNOWN
from node.jit.stencils.cutting import cut
from node.jit.stencils.kinds import DIRECT, MEMORY, PLAIN, Way
from node.jit.stencils.table import table
from node.jit.stencils.text import COMMON, call_out_text, stencil_text
from node.jitted import REGISTRY

WAYS_OF = {
    PLAIN: (Way.ONLY,),
    MEMORY: (Way.BASE, Way.BASE_INDEX, Way.PLACE, Way.IN_FS, Way.IN_GS),
    DIRECT: (Way.NEAR, Way.FAR),
}


def has_stencil(handler: Handler) -> bool:
    """Semantics that regions inline. Left out are those that end a block for good, read the budget or leave native code
    by themselves, and the two floating-point units', which are long."""
    if stays_out(handler.semantic) or REGISTRY[handler.semantic].fold or handler.counts or handler.ends == "always":
        return False
    if handler.semantic is loop:
        return False  # changes its counter before it is known whether the target has been found
    effects = inline_effects_of(handler.semantic)
    return "leave" not in effects.writes and not effects.touched & FLEETING


def kind_of(handler: Handler) -> int:
    if handler.direct:
        return DIRECT
    names = handler.semantic.__code__.co_varnames[3 : handler.semantic.__code__.co_argcount]
    form = dict(zip(names, handler.constants, strict=True)).get("form", MEM)
    return MEMORY if form == MEM and offset_of in closure_of(handler.semantic) else PLAIN


def called_out(lowering: Lowering) -> list[str]:
    """Symbols of the functions that stencils call in the interpreter: what is seldom asked of the flags, and long."""
    return [s for s, compiled in lowering.compiled().items() if REGISTRY[compiled.function].fold]


def make(lowering: Lowering, symbols: Mapping[int, str], first_helper: int, optimise: Any, target: Any) -> bytes:
    """The table that `copying.py` reads. `symbols`: the numba function of each handler's semantic; `first_helper`: the
    number of the first of `called_out` in the table of helpers."""
    outside = called_out(lowering)
    checks = lowering.checks
    definitions = [primitive_definitions(checks), *_cold_definitions(), *_slow_definitions(lowering)]
    for number, symbol in enumerate(outside, first_helper):
        definitions.append(call_out_text(symbol, ("ptr", "ptr", *_types(lowering, symbol)), number))
    for number, symbol in enumerate(checks.helpers, first_helper + len(outside)):
        definitions.append(call_out_text(symbol, ("i64", "i64"), number, "void"))
    module = parse("\n".join(definitions))
    for library in inlined_libraries(lowering, without=outside):
        module.link_in(weak(library._final_module.clone()))
    handlers = tables().handlers
    chosen = {n: h for n, h in enumerate(handlers) if h is not None and n in symbols and has_stencil(h)}
    texts = [
        stencil_text(f"{number}_{way.slot}", handler, symbols[number], way)
        for number, handler in chosen.items()
        for way in WAYS_OF[kind_of(handler)]
    ]
    declared = "\n".join(_declared(lowering, {symbols[n] for n in chosen}))
    text = checks.in_text("\n".join([declared, JUMP_KNOWN, COMMON, *texts]))
    module.link_in(parse(checks.declaration + text))
    _hide(module)
    optimise(module, target)
    found = cut(bytes(target.emit_object(module)))
    kinds = {number: kind_of(handler) for number, handler in chosen.items()}
    return table(len(handlers), kinds, found)


def _cold_definitions() -> tuple[str, str]:
    """Stencils work on the Cpu record itself, whose registers they index, and on a copy of the Machine's hot fields."""
    return cold_definition("cpu"), region_cold_definition("machine")


def _slow_definitions(lowering: Lowering) -> Iterator[str]:
    for symbol, compiled in lowering.compiled().items():
        if REGISTRY[compiled.function].slow:
            yield start_again_text(symbol, compiled)


def _types(lowering: Lowering, symbol: str) -> list[str]:
    return [LLVM_NAMES.get(kind, kind) for kind in lowering.compiled()[symbol].kinds]


def _declared(lowering: Lowering, symbols: set[str]) -> Iterator[str]:
    for symbol in sorted(symbols):
        yield f"declare i32 @{symbol}(ptr, ptr, {', '.join(_types(lowering, symbol))})"


def _hide(module: Any) -> None:
    """All but the stencils becomes part of them or goes."""
    for item in [*module.functions, *module.global_variables]:
        if not item.is_declaration and not item.name.startswith(("limosa_t", "llvm.")):
            item.linkage = "internal"
    for function in module.functions:
        if not function.is_declaration and not function.name.startswith("limosa_t"):
            function.add_function_attribute("alwaysinline")
