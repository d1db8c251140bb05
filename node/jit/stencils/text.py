"""Stencils: an instruction's semantic as machine code with holes in the place of what its Op says, as LLVM text.

    preserve_nonecc void limosa_t17_0(-, cpu, machine, left)

They are the interpreter's handlers but for four things. The Op's fields are holes, filled in when a stencil is copied
(`copying.py`); control runs on into whatever is copied behind it instead of through the next Op's address; a block's
budget is looked at once, at its beginning; and what needs a slow path (a TLB miss, a fault) goes to the interpreter's
handler for the same Op, which starts the instruction again.

Xu and Kjolstad, "Copy-and-Patch Compilation", OOPSLA 2021, is where the method comes from.
"""

from collections.abc import Mapping, Sequence, Set

from node.ia32.handlers import Handler
from node.ia32.operands import next_eip, push
from node.ia32.state import CS, DS, ES, FS, GS, M32, MACHINE, NO_REG, OP, OP_BYTES, SS
from node.jit.dispatch import GO_ON
from node.jit.hot_fields import FLEETING, HOT, closure_of
from node.jit.record_copies import REAL, fetch_text, offset
from node.jit.stencils.kinds import (
    AFTER,
    BEHIND,
    DONE_TOO,
    FIELDS,
    FLAGS_OF,
    HELPERS,
    LINK,
    LOW_PLACES,
    PLACES,
    RUN_OF,
    SMALL,
    TARGET,
    Way,
)
from node.jit.stencils.writing import HELPERS_AT, NEXT, PAUSE, SLOW, function, hole, loaded, small_hole, wide_hole


def call_out_text(symbol: str, types: Sequence[str], number: int, result: str = "i32") -> str:
    """A function that stencils call in the interpreter, number `number` in the table of helpers; seldom."""
    names = [f"%{i}" for i in range(len(types))]
    declared = ", ".join(f"{t} {n}" for t, n in zip(types, names, strict=True))
    lines = [f"define {result} @{symbol}({declared}) alwaysinline nounwind {{", "entry:", wide_hole("hs", HELPERS)]
    lines += [f"  %fp = getelementptr ptr, ptr %hs, i64 {number}", "  %f = load ptr, ptr %fp"]
    kept, returned = ("", "void") if result == "void" else ("%s = ", f"{result} %s")
    return "\n".join([*lines, f"  {kept}call {result} %f({declared}) cold", f"  ret {returned}", "}"])


def stencil_text(name: str, handler: Handler, symbol: str, way: Way, low: Set[str]) -> str:
    """`symbol`: the numba function of the semantic, as in `dispatch.handler_text`; `low`: fields that are one of the
    first four byte registers."""
    constants = "".join(f", i64 {k}" for k in handler.constants)
    lines = ["  %ret = alloca i64", "  %exc = alloca ptr", f"  %op = alloca [{OP_BYTES} x i8], align 8"]
    places = {**PLACES, **_run_places(way), **{field: LOW_PLACES[field] for field in low}}
    lines += _operands(way, {**places, **_sums(handler)})
    lines += _guard(way)
    lines += [*_machine_copy(), *_cpu_facts()]
    lines.append(f"  %s = call i32 @{symbol}(ptr %ret, ptr %exc, ptr %c, ptr %ma, ptr %op{constants})")
    if handler.may_leave:
        lines += loaded("ma", "leave", offset("machine", "leave"))
        lines += ["  %stays = icmp eq i64 %leave, 0", "  br i1 %stays, label %on, label %slow, !prof !1", "on:"]
    lines += _behind(handler, way)
    if handler.may_leave or way in FLAGS_OF:
        lines += ["slow:", SLOW]
    return function(name, ["entry:", *lines])


def _run_places(way: Way) -> dict[str, str]:
    """Where the Op of a run has its further registers (node.ia32.semantics.stack_runs)."""
    return dict(zip(("b", "base", "index"), BEHIND, strict=True)) if way in RUN_OF.values() else {}


LINKED = (Way.LINKED, Way.LINKED_AFTER_SUB4, Way.LINKED_AFTER_SUB1, Way.LINKED_AFTER_LOGIC4)


def _guard(way: Way) -> list[str]:
    """Are the flags those that the stencil is for? Then what it asks of them folds to a comparison."""
    if way not in FLAGS_OF:
        return []
    lines = loaded("c", "flags", offset("cpu", "cc_op"))
    lines += [f"  %expected = icmp eq i64 %flags, {FLAGS_OF[way]}"]
    return [*lines, "  br i1 %expected, label %guarded, label %slow, !prof !1", "guarded:"]


# What an Op's field is below: registers, where NO_REG stands for none; the address' size is 32 bits
BELOW = {"length": 16, "at": 256, "a": 8, "b": 8, "base": 9, "index": 9, "scale": 4, "seg": 8}
SEGMENT = {Way.BASE: DS, Way.BASE_INDEX: DS, Way.PLACE: DS, Way.IN_FS: FS, Way.IN_GS: GS}


def _sums(handler: Handler) -> dict[str, str]:
    """Of what tells where the next instruction is, or where a direct branch leads, only the sum is wanted: the hole for
    it, and "" for 0."""
    within = closure_of(handler.semantic, inlined_only=True)
    if {f for f in within if {"at", "length"} & set(f.__code__.co_names)} != {next_eip}:
        return {}
    if handler.direct and push not in within:
        return {"imm": TARGET, "at": "", "length": ""}
    return {"at": AFTER, "length": ""}


def _operands(way: Way, kinds: Mapping[str, str]) -> list[str]:
    """Fill a private Op with holes, but for what this way of addressing says. `kinds`: of holes that are not for a
    field as it is."""
    known = {field: 0 for field, kind in kinds.items() if not kind}
    if way in SEGMENT:
        known["seg"] = SEGMENT[way]
    if way in (Way.BASE, Way.PLACE):
        known |= {"index": NO_REG, "scale": 0}
    if way is Way.PLACE:
        known["base"] = NO_REG
    lines = []
    for field in FIELDS:
        at = OP.fields[field][1]  # type: ignore[index]
        kind = "i8" if field in BELOW else "i32"
        lines.append(f"  %o{at}p = getelementptr i8, ptr %op, i64 {at}")
        if field in known:
            lines.append(f"  store {kind} {known[field]}, ptr %o{at}p, align 1")
        else:
            lines += _filled(f"o{at}", field, kinds.get(field, field))
            lines += [f"  %o{at}n = trunc i64 %o{at} to {kind}", f"  store {kind} %o{at}n, ptr %o{at}p, align 1"]
    return lines


def _filled(name: str, field: str, kind: str) -> list[str]:
    """A register's place is 8 times its number: then LLVM sees that it can index with the place itself."""
    if kind in SMALL:
        return [small_hole(f"{name}at", kind), f"  %{name} = lshr exact i64 %{name}at, 3"]
    return [hole(name, kind, BELOW.get(field, 1 << 32))]


def _machine_copy() -> list[str]:
    """What `ENOUGH` has looked at, as constants; everything else as it is."""
    lines = [f"  %ma = alloca [{MACHINE.itemsize} x i8], align 8"]
    lines += fetch_text("machine", sorted(HOT["machine"] - FLEETING), "%m", "%ma", "in")
    facts = {REAL["machine"]: "ptr %m", offset("machine", "stack_mask"): f"i64 {M32}"}
    facts |= {offset("machine", name): "i64 0" for name in ("leave", "fault")}
    facts |= {offset("machine", "seg_ok") + 8 * segment: "i64 3" for segment in (ES, SS, DS)}
    for at, value in facts.items():
        lines += [f"  %f{at} = getelementptr i8, ptr %ma, i64 {at}", f"  store {value}, ptr %f{at}, align 8"]
    return lines


def _cpu_facts() -> list[str]:
    lines = []
    facts = {offset("cpu", "limit") + 8 * CS: M32, offset("cpu", "gpr") + 8 * NO_REG: 0}
    facts |= {offset("cpu", "base") + 8 * segment: 0 for segment in (ES, CS, SS, DS)}
    for at, value in facts.items():
        lines += [f"  %g{at}p = getelementptr i8, ptr %c, i64 {at}", f"  %g{at} = load i64, ptr %g{at}p, align 8"]
        lines += [f"  %g{at}t = icmp eq i64 %g{at}, {value}", f"  call void @llvm.assume(i1 %g{at}t)"]
    return lines


def _behind(handler: Handler, way: Way) -> list[str]:
    if not handler.ends:
        return [NEXT]
    lines = []
    if handler.ends == "cc":
        lines += ["  %t = load i64, ptr %ret", "  %yes = icmp ne i64 %t, 0"]
        lines += ["  br i1 %yes, label %taken, label %next", "next:", NEXT, "taken:"]
    lines += [small_hole("done", DONE_TOO), "  %n1 = add i64 %n, %done"]
    lines += ["  %over = icmp eq i64 %n1, 0", "  br i1 %over, label %pause, label %chain, !prof !0"]
    lines += ["pause:", PAUSE, "chain:"]
    if way in LINKED:
        lines += [wide_hole("to", LINK), "  %h = load ptr, ptr %to"]
        return [*lines, "  musttail call preserve_nonecc void %h(ptr %to, ptr %c, ptr %m, i64 %n1)", "  ret void"]
    return [*lines, *_elsewhere()]


def _elsewhere() -> list[str]:
    """Where c.eip leads, if that has been found before."""
    lines = ["  %a = call i64 @limosa_jump_known(ptr %c, ptr %m)", "  %known = icmp ne i64 %a, 0"]
    lines += ["  br i1 %known, label %hit, label %search, !prof !1", "hit:", "  %to = inttoptr i64 %a to ptr"]
    lines += ["  %h = load ptr, ptr %to", "  musttail call preserve_nonecc void %h(ptr %to, ptr %c, ptr %m, i64 %n1)"]
    lines += ["  ret void", "search:", *loaded("m", "hs", HELPERS_AT, "ptr")]
    lines += [f"  %fp = getelementptr ptr, ptr %hs, i64 {GO_ON}", "  %f = load ptr, ptr %fp"]
    return [*lines, "  musttail call preserve_nonecc void %f(ptr poison, ptr %c, ptr %m, i64 %n1)", "  ret void"]
