"""The whole interpreter as one object file: numba's modules and the dispatch text, linked, optimised, emitted."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm

from node.ia32 import exceptions, flags, interpreter, segments, slices, tlb
from node.ia32.blocks import FIRST_HANDLER, forget_all, heat, lookup
from node.ia32.decode import decode
from node.ia32.faults import undefined
from node.ia32.fetch import add_piece, find, find_jump
from node.ia32.handlers import handlers
from node.ia32.pairs import pairs
from node.jit import dispatch
from node.jit.beside import beside
from node.jit.checks import Checks
from node.jit.lowering import LLVM_NAMES, Lowering, cold_definitions, parse, primitive_definitions
from node.jit.packed import pack
from node.jit.runs import runs
from node.jit.semantics_library import LibraryBuilder
from node.jit.special_handlers import SPECIAL
from node.jit.stencils.copying import due, warm
from node.jit.stencils.making import called_out, make
from node.jit.target import target_machine

# Functions that Python calls, by name: (function, argument kinds, result)
ENTRY_POINTS: dict[str, tuple[Callable[..., Any], tuple[str, ...], str]] = {
    "run": (interpreter.run, ("cpu", "machine"), "void"),
    "run_slices": (slices.run_slices, ("cpu", "machine"), "void"),
    "deliver_interrupt": (exceptions.deliver_interrupt, ("cpu", "machine", "i64"), "void"),
    "refresh": (segments.refresh, ("cpu", "machine"), "void"),
    "materialise": (flags.materialise, ("cpu",), "void"),
    "flush_all": (tlb.flush_all, ("machine",), "void"),
    "protect_all": (tlb.protect_all, ("machine",), "void"),
    "forget_all": (forget_all, ("machine",), "void"),
    "lookup": (lookup, ("machine", "i64"), "i64"),
    "heat": (heat, ("machine", "i64"), "i64"),
    "add_piece": (add_piece, ("machine", "i64", "i64", "i64"), "void"),
    "decode": (decode, ("machine", "op", "i64", "i64", "i64"), "i64"),
}
# Functions that the dispatch text calls
SUPPORT: dict[str, tuple[Callable[..., Any], tuple[str, ...], str]] = {
    "find_jump": (find_jump, ("cpu", "machine"), "i64"),
    "find": (find, ("cpu", "machine"), "i64"),
    "follow": (interpreter.follow, ("cpu", "machine", "op", "i64"), "i64"),
    "settle": (interpreter.settle, ("cpu", "machine", "op", "i64"), "void"),
    "stop_before": (interpreter.stop_before, ("cpu", "op"), "void"),
    "undefined": (undefined, ("machine",), "void"),
    "due": (due, ("cpu", "machine", "op"), "void"),
    "warm": (warm, ("cpu", "machine", "op"), "void"),
    "settle_at": (interpreter.settle_at, ("cpu", "machine", "i64", "i64", "i64"), "void"),
}

Progress = Callable[[float, str], None]  # share done (0-1), what is being done


def compose(level: str, checks: Checks, progress: Progress) -> bytes:
    """The interpreter for a level of x86-64, and beside it the semantics of which translated code is made
    (`packed.py`). Takes about a minute of two processors."""
    lowering = Lowering(checks)
    target = target_machine(level)
    numbered = handlers()
    whole = parse("\n".join([primitive_definitions(checks), cold_definitions(), checks.definition]))
    symbols: dict[tuple[Callable[..., Any], int], str] = {}
    by_number: dict[int, str] = {}

    def lower(function: Callable[..., Any], kinds: Sequence[str]) -> str:
        return lowering.compile(function, tuple(kinds))

    parts: list[str] = []
    for name, (function, kinds, result) in {**SUPPORT, **ENTRY_POINTS}.items():
        progress(0.05, f"compiling {function.__name__}")
        names = [LLVM_NAMES[k] for k in kinds]
        parts.append(
            dispatch.wrapper_text(f"limosa_{name}", lower(function, kinds), names, result, internal=name in SUPPORT)
        )
    for number, handler in enumerate(numbered):
        if handler is None:
            continue
        key = (handler.semantic, len(handler.constants))
        if key not in symbols:
            progress(0.1 + 0.5 * number / len(numbered), f"compiling {handler.semantic.__name__}")
            symbols[key] = lower(handler.semantic, ("cpu", "machine", "op", *("i64",) * len(handler.constants)))
        by_number[number] = symbols[key]
        parts.append(dispatch.handler_text(number, handler, symbols[key]))
    for pair, (one, other) in enumerate(pairs()):
        parts.append(dispatch.joined_text(pair, one, other, numbered, by_number[one]))
    for run in runs():
        by_number[run.number] = lower(run.handler.semantic, ("cpu", "machine", "op", "i64"))
    assert all(h is not None for h in numbered[FIRST_HANDLER:])
    library = LibraryBuilder(lowering, by_number)
    helpers = [h.symbol for h in library.helpers]
    first = dispatch.FIRST_HELPER + len(helpers)
    stencils = beside(lambda: make(lowering, by_number, first, optimise, target))
    progress(0.6, "simplifying")
    semantics = library.build(target)
    progress(0.7, "linking")
    for code in lowering.libraries:
        whole.link_in(_keeping_all(code._final_module.clone()))
    called = [*helpers, *called_out(lowering), *checks.helpers]
    parts += [dispatch.table_text(len(numbered), len(pairs())), dispatch.helper_table_text(called)]
    text = checks.in_text(SPECIAL + "\n".join(parts))
    declarations = _declarations(text, whole)
    whole.link_in(parse(declarations + text))
    _hide(whole, checks.exported)
    progress(0.8, "optimising")
    optimise(whole, target)
    progress(0.9, "generating code")
    code = bytes(target.emit_object(whole))
    progress(0.95, "waiting for the stencils")
    return pack(code, stencils(), semantics)


def _keeping_all(module: Any) -> Any:
    """LLVM's linker leaves out `linkonce` functions that nothing refers to yet."""
    for function in module.functions:
        if function.is_declaration:
            continue
        function.linkage = "weak_odr"
        ours = function.name.startswith("_ZN4node")
        if ours and not any(b"alwaysinline" in a for a in function.attributes):
            function.add_function_attribute("noinline")  # a slow path: keep it out of the handlers
    return module


def _declarations(text: str, whole: Any) -> str:
    """Declare what the dispatch text refers to in the other modules."""
    mentioned = set(re.findall(r"@([\w.$]+)", text))
    return "\n".join(
        f"declare {_returned(f)} @{f.name}({', '.join(str(a.type) for a in f.arguments)})"
        for f in whole.functions
        if not f.is_declaration and f.name in mentioned
    )


def _returned(function: Any) -> str:
    return str(function.global_value_type).split(" (")[0]


def _hide(module: Any, besides: frozenset[str]) -> None:
    """Everything is internal but what Python asks for, so that the optimiser may inline and drop."""
    exported = {f"limosa_{name}" for name in ENTRY_POINTS} | {"limosa_handlers", "limosa_helpers"} | besides
    for item in [*module.functions, *module.global_variables]:
        if not item.is_declaration and item.name not in exported and not item.name.startswith("llvm."):
            item.linkage = "internal"


def optimise(module: Any, target: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
