"""Stencils: an instruction's semantic as machine code with holes in the place of what its Op says, as LLVM text.

    tailcc void limosa_t17_0(cpu, machine, -, left)

They are the interpreter's handlers but for four things. The Op's fields are holes, filled in when a stencil is copied
(`copying.py`); control runs on into whatever is copied behind it instead of through the next Op's address; a block's
budget is looked at once, at its beginning; and what needs a slow path (a TLB miss, a fault) goes to the interpreter's
handler for the same Op, which starts the instruction again.

Xu and Kjolstad, "Copy-and-Patch Compilation", OOPSLA 2021, is where the method comes from.
"""

from collections.abc import Sequence

from node.ia32.blocks import FALL_HANDLER
from node.ia32.encodings import Handler
from node.ia32.state import (
    CS,
    DS,
    ES,
    FS,
    GS,
    M32,
    MACHINE,
    MODE_CODE,
    MODE_FLAT,
    MODE_WATCHED,
    NO_REG,
    OP,
    OP_BYTES,
    SS,
)
from node.jit.dispatch import EIP, GO_ON, LEFT, LINK, MODE, NOTED
from node.jit.hot_fields import FLEETING, HOT
from node.jit.record_copies import NARROW_RANGE_TEXT, REAL, fetch_text, offset
from node.jit.special_handlers import COUNTDOWN
from node.jit.stencils.kinds import COUNT, DONE, FIELDS, HANDLER, HELPERS, OPERATION, Way

HELPERS_AT = offset("machine", "helpers")
SIGNATURE = "(ptr noalias %c, ptr noalias %m, ptr %x, i64 %n)"
DECLARATIONS = """
declare void @llvm.assume(i1)
declare tailcc void @limosa_next(ptr, ptr, ptr, i64)
declare tailcc void @limosa_slow(ptr, ptr, ptr, i64)
attributes #9 = { nounwind optsize "no-jump-tables"="true" }
!0 = !{!"branch_weights", i32 1, i32 2000}
!1 = !{!"branch_weights", i32 2000, i32 1}
"""
NEXT = "  musttail call tailcc void @limosa_next(ptr %c, ptr %m, ptr poison, i64 %n)\n  ret void"
SLOW = "  musttail call tailcc void @limosa_slow(ptr %c, ptr %m, ptr poison, i64 %n)\n  ret void"


def hole(name: str, kind: str, below: int = 1 << 32) -> str:
    """A number that is known when the stencil is copied. The assembler's words, so that LLVM takes nothing for granted
    of it but `below`; they leave the upper half of the register zero."""
    asm = f'asm "movl $$limosa_hole_{kind}, ${{0:k}}", "=r"()'
    return f"  %{name} = call range(i64 0, {below}) i64 {asm} nounwind memory(none)"


def wide_hole(name: str, kind: str) -> str:
    return f'  %{name} = call ptr asm "movabsq $$limosa_hole_{kind}, $0", "=r"() nounwind memory(none)'


def call_out_text(symbol: str, types: Sequence[str], number: int, result: str = "i32") -> str:
    """A function that stencils call in the interpreter, number `number` in the table of helpers; seldom."""
    names = [f"%{i}" for i in range(len(types))]
    declared = ", ".join(f"{t} {n}" for t, n in zip(types, names, strict=True))
    lines = [f"define {result} @{symbol}({declared}) alwaysinline nounwind {{", "entry:", wide_hole("hs", HELPERS)]
    lines += [f"  %fp = getelementptr ptr, ptr %hs, i64 {number}", "  %f = load ptr, ptr %fp"]
    kept, returned = ("", "void") if result == "void" else ("%s = ", f"{result} %s")
    return "\n".join([*lines, f"  {kept}call {result} %f({declared}) cold", f"  ret {returned}", "}"])


def _function(name: str, lines: Sequence[str]) -> str:
    head = f'define tailcc void @limosa_t{name}{SIGNATURE} #9 section ".limosa.{name}" {{'
    return "\n".join([head, *lines, "}"])


def _field(record: str, name: str, at: int, kind: str = "i64") -> list[str]:
    return [
        f"  %{name}p = getelementptr i8, ptr %{record}, i64 {at}",
        f"  %{name} = load {kind}, ptr %{name}p, align 8",
    ]


ENTRY = _function(
    "entry",
    [
        wide_hole("e", OPERATION),
        f"  %kp = getelementptr i8, ptr %e, i64 {COUNTDOWN}",
        "  %k = load i32, ptr %kp",
        "  %k1 = sub i32 %k, 1",
        "  store i32 %k1, ptr %kp",
        "  %hot = icmp eq i32 %k1, 0",
        "  br i1 %hot, label %noted, label %go, !prof !0",
        "noted:",
        *_field("m", "hs", HELPERS_AT, "ptr"),
        f"  %fp = getelementptr ptr, ptr %hs, i64 {NOTED}",
        "  %f = load ptr, ptr %fp",
        "  musttail call tailcc void %f(ptr %c, ptr %m, ptr %e, i64 %n)",
        "  ret void",
        "go:",
        NEXT,
    ],
)
ENOUGH = _function(
    "enough",
    [
        *_field("m", "mode", MODE),
        f"  %b = and i64 %mode, {MODE_FLAT | MODE_CODE | MODE_WATCHED}",
        f"  %fit = icmp eq i64 %b, {MODE_FLAT | MODE_CODE}",
        hole("least", COUNT),
        "  %enough = icmp uge i64 %n, %least",
        "  %both = and i1 %fit, %enough",
        "  br i1 %both, label %go, label %slow, !prof !1",
        "go:",
        NEXT,
        "slow:",
        SLOW,
    ],
)
INTERPRETED = _function(
    "interpreted",
    [
        wide_hole("e", OPERATION),
        wide_hole("h", HANDLER),
        hole("done", DONE),
        "  %n1 = sub i64 %n, %done",
        "  musttail call tailcc void %h(ptr %c, ptr %m, ptr %e, i64 %n1)",
        "  ret void",
    ],
)
FALL = _function(
    f"{FALL_HANDLER}_0",
    [
        wide_hole("e", OPERATION),
        *_field("e", "link", LINK),
        "  %linked = icmp ne i64 %link, 0",
        "  br i1 %linked, label %follow, label %slow, !prof !1",
        "follow:",
        *_field("c", "eip", EIP),
        hole("at", "at", 256),
        "  %sum = add i64 %eip, %at",
        f"  %after = and i64 %sum, {M32}",
        "  store i64 %after, ptr %eipp",
        hole("done", DONE),
        "  %n1 = sub i64 %n, %done",
        "  %to = inttoptr i64 %link to ptr",
        "  %h = load ptr, ptr %to",
        "  musttail call tailcc void %h(ptr %c, ptr %m, ptr %to, i64 %n1)",
        "  ret void",
        "slow:",
        SLOW,
    ],
)


def stencil_text(name: str, handler: Handler, symbol: str, way: Way) -> str:
    """`symbol`: the numba function of the semantic, as in `dispatch.handler_text`."""
    constants = "".join(f", i64 {k}" for k in handler.constants)
    lines = ["  %ret = alloca i64", "  %exc = alloca ptr", f"  %op = alloca [{OP_BYTES} x i8], align 8"]
    lines += _operands(way)
    lines += [*_machine_copy(), *_cpu_facts()]
    if handler.ends:
        lines += _field("c", "before", EIP)
    if handler.ends == "branch" and way is Way.NEAR:
        lines += [wide_hole("e", OPERATION), *_field("e", "link", LINK)]
        lines += ["  %linked = icmp ne i64 %link, 0", "  br i1 %linked, label %start, label %slow, !prof !1", "start:"]
    lines.append(f"  %s = call i32 @{symbol}(ptr %ret, ptr %exc, ptr %c, ptr %ma, ptr %op{constants})")
    if handler.may_leave:
        lines += _field("ma", "leave", offset("machine", "leave"))
        lines += ["  %stays = icmp eq i64 %leave, 0", "  br i1 %stays, label %on, label %slow, !prof !1", "on:"]
    lines += _behind(handler, way)
    if handler.may_leave or handler.ends:
        lines += ["slow:", SLOW]
    return _function(name, ["entry:", *lines])


# What an Op's field is below: registers, where NO_REG stands for none; the address' size is 32 bits
BELOW = {"length": 16, "at": 256, "a": 8, "b": 8, "base": 9, "index": 9, "scale": 4, "seg": 8}
SEGMENT = {Way.BASE: DS, Way.BASE_INDEX: DS, Way.PLACE: DS, Way.IN_FS: FS, Way.IN_GS: GS}


def _operands(way: Way) -> list[str]:
    """Fill a private Op with holes, but for what this way of addressing says."""
    known: dict[str, int] = {}
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
            lines += [hole(f"o{at}", field, BELOW.get(field, 1 << 32)), f"  %o{at}n = trunc i64 %o{at} to {kind}"]
            lines.append(f"  store {kind} %o{at}n, ptr %o{at}p, align 1")
    return lines


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
    if handler.ends == "cc" and way is Way.NEAR:
        lines += [wide_hole("e", OPERATION), *_field("e", "link", LINK)]
        lines += ["  %linked = icmp ne i64 %link, 0", "  br i1 %linked, label %follow, label %undo, !prof !1"]
        lines += ["undo:", "  store i64 %before, ptr %beforep", "  br label %slow", "follow:"]
    lines += [hole("done", DONE), "  %n0 = sub i64 %n, %done", "  %n1 = sub i64 %n0, 1"]
    lines += ["  %over = icmp eq i64 %n1, 0", "  br i1 %over, label %pause, label %chain, !prof !0"]
    lines += ["pause:", f"  %leftp = getelementptr i8, ptr %m, i64 {LEFT}", "  store i64 0, ptr %leftp", "  ret void"]
    lines += ["chain:"]
    if way is Way.NEAR:
        lines += ["  %to = inttoptr i64 %link to ptr", "  %h = load ptr, ptr %to"]
        return [*lines, "  musttail call tailcc void %h(ptr %c, ptr %m, ptr %to, i64 %n1)", "  ret void"]
    return [*lines, *_elsewhere()]


def _elsewhere() -> list[str]:
    """Where c.eip leads, if that has been found before."""
    lines = ["  %a = call i64 @limosa_jump_known(ptr %c, ptr %m)", "  %known = icmp ne i64 %a, 0"]
    lines += ["  br i1 %known, label %hit, label %search, !prof !1", "hit:", "  %to = inttoptr i64 %a to ptr"]
    lines += ["  %h = load ptr, ptr %to", "  musttail call tailcc void %h(ptr %c, ptr %m, ptr %to, i64 %n1)"]
    lines += ["  ret void", "search:", *_field("m", "hs", HELPERS_AT, "ptr")]
    lines += [f"  %fp = getelementptr ptr, ptr %hs, i64 {GO_ON}", "  %f = load ptr, ptr %fp"]
    return [*lines, "  musttail call tailcc void %f(ptr %c, ptr %m, ptr poison, i64 %n1)", "  ret void"]


COMMON = "\n".join([DECLARATIONS, NARROW_RANGE_TEXT, ENTRY, ENOUGH, INTERPRETED, FALL])
