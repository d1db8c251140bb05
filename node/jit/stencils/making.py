"""All stencils of an interpreter, made beside it from the same lowered functions."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from node.ia32.blocks import FALL_HANDLER
from node.ia32.handlers import Handler, handlers
from node.ia32.operands import MEM, offset_of
from node.ia32.semantics.control import loop
from node.jit.hot_fields import FLEETING, closure_of, effects_of, inline_effects_of
from node.jit.lowering import LLVM_NAMES, Lowering, cold_definition, parse, primitive_definitions
from node.jit.record_copies import NARROW_RANGE_TEXT, offset
from node.jit.runs import runs
from node.jit.semantics_library import inlined_libraries, region_cold_definition, start_again_text, stays_out, weak
from node.jit.special_handlers import JUMP_KNOWN
from node.jit.stencils.assembly import two_objects
from node.jit.stencils.cutting import Stencil, cut
from node.jit.stencils.kinds import A_IS_BYTE, B_IS_BYTE, DIRECT, KEPT, LOW, MEMORY, PLACES, PLAIN, RUN_OF, UNKNOWN, Way
from node.jit.stencils.special import SPECIAL
from node.jit.stencils.table import table
from node.jit.stencils.text import call_out_text, stencil_text
from node.jit.stencils.writing import DECLARATIONS, SMALL_PREFIX
from node.jitted import REGISTRY

BYTE_BIT = {"a": A_IS_BYTE, "b": B_IS_BYTE}
WAYS_OF = {
    PLAIN: (Way.ONLY,),
    MEMORY: (Way.BASE, Way.BASE_INDEX, Way.PLACE, Way.IN_FS, Way.IN_GS),
    DIRECT: (Way.LINKED, Way.SEARCHED),
}
AFTER = {
    PLAIN: (Way.AFTER_SUB4, Way.AFTER_SUB1, Way.AFTER_LOGIC4),
    MEMORY: (),
    DIRECT: (
        *(Way.LINKED_AFTER_SUB4, Way.LINKED_AFTER_SUB1, Way.LINKED_AFTER_LOGIC4),
        *(Way.SEARCHED_AFTER_SUB4, Way.SEARCHED_AFTER_SUB1, Way.SEARCHED_AFTER_LOGIC4),
    ),
}
# By slot of what goes by the flags in front of it, the slot of what asks for them
ASKING = {
    way.slot + low: asking.slot + low
    for kind, ways in AFTER.items()
    for way in ways
    for asking in (Way.SEARCHED if way.name.startswith("SEARCHED") else WAYS_OF[kind][0],)
    for low in (0, LOW)
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


def ways_after(handler: Handler) -> tuple[Way, ...]:
    return AFTER[kind_of(handler)] if "cc_op" in effects_of(handler.semantic).reads else ()


def called_out(lowering: Lowering) -> list[str]:
    """Symbols of the functions that stencils call in the interpreter: what is seldom asked of the flags, and long."""
    return [s for s, compiled in lowering.compiled().items() if REGISTRY[compiled.function].fold]


def make(lowering: Lowering, symbols: Mapping[int, str], first_helper: int, optimise: Any, target: Any) -> bytes:
    """The table that `copying.py` reads. `symbols`: the numba function of each handler's semantic, and of each run's;
    `first_helper`: the number of the first of `called_out` in the table of helpers."""
    chosen = {n: h for n, h in enumerate(handlers()) if h is not None and n in symbols and has_stencil(h)}
    source = Source(lowering, symbols, first_helper)
    module = source.module({(n, h): WAYS_OF[kind_of(h)] for n, h in chosen.items()}, called_out(lowering))
    # What is seldom asked of the flags is little where it is known which they are
    after = source.module({(n, h): ways_after(h) for n, h in chosen.items()}, ())
    optimise(module, target)
    bytewise = {number: byte_registers(module, number, handler) for number, handler in chosen.items()}
    lows = {number: fields for number, fields in bytewise.items() if fields}
    low = source.module({(n, chosen[n]): WAYS_OF[kind_of(chosen[n])] for n in lows}, called_out(lowering), lows)
    low_after = source.module({(n, chosen[n]): ways_after(chosen[n]) for n in lows}, (), lows)
    several = Source(lowering, {run.of: symbols[run.number] for run in runs()}, first_helper).module(
        {(run.of, run.handler): (RUN_OF[run.count],) for run in runs()}, ()
    )
    for each in (low, after, low_after, several):
        optimise(each, target)
    found = {name: s for each in (module, low, several) for name, s in cut(two_objects(each, target)).items()}
    knowing = {name: s for each in (after, low_after) for name, s in cut(two_objects(each, target)).items()}
    found |= {name: s for name, s in knowing.items() if _is_shorter(name, s, found)}
    kinds = {
        number: kind_of(handler) | sum(BYTE_BIT[field] for field in bytewise[number])
        for number, handler in chosen.items()
    } | {FALL_HANDLER: DIRECT}
    flags = {number: flags_left(module, number, handler) for number, handler in chosen.items()}
    return table(len(handlers()), kinds, flags, found)


def _is_shorter(name: str, stencil: Stencil, found: Mapping[str, Stencil]) -> bool:
    """Of what goes by the flags, than what asks for them: not if these matter only now and then."""
    number, slot = (int(part) for part in name.split("_"))
    asking = found.get(f"{number}_{ASKING[slot]}") if slot in ASKING else None
    return asking is None or len(stencil.code) < len(asking.code)


@dataclass(frozen=True, slots=True)
class Source:
    """Where modules of stencils are made from."""

    lowering: Lowering
    symbols: Mapping[int, str]
    first_helper: int

    def module(
        self,
        ways: Mapping[tuple[int, Handler], tuple[Way, ...]],
        outside: Sequence[str],
        low: Mapping[int, Set[str]] = MappingProxyType({}),
    ) -> Any:
        """Stencils for handlers and their numbers, in which the functions `outside` are called in the interpreter.
        `low`: by number, fields that are one of the first four byte registers."""
        checks = self.lowering.checks
        module = parse("\n".join(self._definitions(outside)))
        for library in inlined_libraries(self.lowering, without=outside):
            module.link_in(weak(library._final_module.clone()))
        texts = [
            stencil_text(
                f"{number}_{way.slot + (LOW if low else 0)}", handler, self.symbols[number], way, low.get(number, set())
            )
            for (number, handler), each in ways.items()
            for way in each
        ]
        declared = "\n".join(_declared(self.lowering, {self.symbols[number] for number, _ in ways}))
        text = "\n".join([declared, DECLARATIONS, NARROW_RANGE_TEXT, JUMP_KNOWN, SPECIAL, *texts])
        module.link_in(parse(checks.declaration + checks.in_text(text)))
        _hide(module)
        return module

    def _definitions(self, outside: Sequence[str]) -> Iterator[str]:
        checks = self.lowering.checks
        yield primitive_definitions(checks)
        yield from _cold_definitions()
        yield from _slow_definitions(self.lowering)
        every = called_out(self.lowering)
        for symbol in outside:
            types = ("ptr", "ptr", *_types(self.lowering, symbol))
            yield call_out_text(symbol, types, self.first_helper + every.index(symbol))
        for number, symbol in enumerate(checks.helpers, self.first_helper + len(every)):
            yield call_out_text(symbol, ("i64", "i64"), number, "void")


def byte_registers(module: Any, number: int, handler: Handler) -> frozenset[str]:
    """Fields that are byte registers: the number is used for more than the register's place."""
    stencil = module.get_function(f"limosa_t{number}_{WAYS_OF[kind_of(handler)][0].slot}")
    lines = [str(instruction) for block in stencil.blocks for instruction in block.instructions]
    computed = "".join(line for line in lines if "getelementptr" not in line)
    return frozenset(field for field in BYTE_BIT if f"@{SMALL_PREFIX}{PLACES[field]} to" in computed)


_CC_OP = re.compile(rf"= getelementptr [^%]*i8, ptr %c, i64 {offset('cpu', 'cc_op')}$")


def flags_left(module: Any, number: int, handler: Handler) -> int:
    """The value of cc_op behind a handler's stencil, if that is the same most of the time: KEPT, a number, or
    UNKNOWN. Those who go by it look whether it is so."""
    if "cc_op" not in effects_of(handler.semantic).writes:
        return KEPT
    stencil = module.get_function(f"limosa_t{number}_{WAYS_OF[kind_of(handler)][0].slot}")
    stored = set()
    for block in stencil.blocks:
        for instruction in block.instructions:
            if instruction.opcode == "store":
                value, place = instruction.operands
                if _CC_OP.search(str(place)):
                    stored.add(str(value))
    constant = re.fullmatch(r"i64 (\d+)", stored.pop()) if len(stored) == 1 else None
    return int(constant[1]) if constant else UNKNOWN


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
