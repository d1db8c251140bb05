"""The interpreter's inner loop as LLVM text: one function a handler, each ending in a tail call of the next Op's
handler.

    preserve_nonecc void handler(op, cpu, machine, left)        `left`: the instruction budget, kept in a register

The semantics are called with constant arguments and inlined. What happens around them is exactly `interpreter.execute`:
count, leave, fall through, follow a branch. Direct branches within a page remember their target in `Op.link`.
"""

from collections.abc import Sequence

from node.ia32.handlers import Handler
from node.ia32.state import CPU, MACHINE, OP, OP_BYTES

LEFT = MACHINE.fields["left"][1]  # type: ignore[index]
LEAVE = MACHINE.fields["leave"][1]  # type: ignore[index]
EIP = CPU.fields["eip"][1]  # type: ignore[index]
MODE = MACHINE.fields["mode"][1]  # type: ignore[index]
LINK = OP.fields["link"][1]  # type: ignore[index]

GO_ON, SETTLE_AT, GO_ON_LINKED, NOTED, FIRST_HELPER = 0, 1, 2, 3, 4  # numbers in the table of helpers

SIGNATURE = "(ptr %e, ptr noalias %c, ptr noalias %m, i64 %n)"


def numbered(number: int) -> str:
    """A handler's own number (`joining.NUMBER_BYTES`), for the end of its head."""
    return f"prefix {{ i64, i64 }} {{ i64 {number}, i64 0 }}"


def _go_on_behind(load: str, handler: str, inlined: str = "") -> str:
    """With the next Op, by its `handler`, which `load` may have to load first; `inlined`: an attribute of the call."""
    return f"""
next:
  %n1 = sub i64 %n, 1
  %e1 = getelementptr i8, ptr %e, i64 {OP_BYTES}
  %out = icmp eq i64 %n1, 0
  br i1 %out, label %budget, label %go, !prof !0
go:
{load}  musttail call preserve_nonecc void {handler}(ptr %e1, ptr %c, ptr %m, i64 %n1) {inlined}
  ret void
budget:
  call void @limosa_stop_before(ptr %c, ptr %e1)
  %lp1 = getelementptr i8, ptr %m, i64 {LEFT}
  store i64 0, ptr %lp1
  ret void
"""


NEXT = _go_on_behind("  %h = load ptr, ptr %e1\n", "%h")
BRANCH = """
taken:
  %nb = sub i64 %n, 1
  %lpb = getelementptr i8, ptr %m, i64 {left}
  %outb = icmp eq i64 %nb, 0
  br i1 %outb, label %pause, label %chain, !prof !0
pause:
  store i64 0, ptr %lpb
  ret void
chain:
{find}
found:
  %eb = inttoptr i64 %ab to ptr
  %hb = load ptr, ptr %eb
  musttail call preserve_nonecc void %hb(ptr %eb, ptr %c, ptr %m, i64 %nb)
  ret void
lost:
  store i64 %nb, ptr %lpb
  ret void
"""
FIND = """  %ab = call i64 @limosa_jump(ptr %c, ptr %m)
  %nob = icmp eq i64 %ab, 0
  br i1 %nob, label %lost, label %found, !prof !0"""
FOLLOW = f"""  %kp = getelementptr i8, ptr %e, i64 {LINK}
  %k = load i64, ptr %kp
  %nok = icmp eq i64 %k, 0
  br i1 %nok, label %search, label %found, !prof !0
search:
  %after = load i64, ptr %ep
  %across = xor i64 %before, %after
  %pages = lshr i64 %across, 12
  %near = icmp eq i64 %pages, 0
  br i1 %near, label %near_search, label %far_search
near_search:
  %an = call i64 @limosa_follow(ptr %c, ptr %m, ptr %e, i64 %before)
  br label %searched
far_search:
  %af = call i64 @limosa_jump(ptr %c, ptr %m)
  br label %searched
searched:
  %as = phi i64 [ %an, %near_search ], [ %af, %far_search ]
  %nos = icmp eq i64 %as, 0
  br i1 %nos, label %lost, label %found"""


def handler_name(number: int) -> str:
    return f"limosa_h{number}"


def joined_name(pair: int) -> str:
    return f"limosa_joined{pair}"


def handler_text(number: int, handler: Handler, symbol: str) -> str:
    """`symbol`: the numba function of the semantic: i32 (retptr, excinfo, cpu, machine, op, constants…)."""
    return _text(handler_name(number), number, handler, symbol, NEXT)


def joined_text(pair: int, first: int, second: int, handlers: Sequence[Handler | None], symbol: str) -> str:
    """The handler of number `first`, which goes on at that of `second` (`node.ia32.pairs`); `symbol` as above."""
    handler, behind = handlers[first], handlers[second]
    assert handler is not None and behind is not None
    inlined = "alwaysinline" if behind.ends == "cc" else ""
    following = _go_on_behind("", f"@{handler_name(second)}", inlined)
    return _text(joined_name(pair), first, handler, symbol, following)


def _text(name: str, number: int, handler: Handler, symbol: str, following: str) -> str:
    constants = "".join(f", i64 {k}" for k in handler.constants)
    lines = [
        f"define internal preserve_nonecc void @{name}{SIGNATURE} {numbered(number)} {{",
        "entry:",
        "  %ret = alloca i64",
        "  %exc = alloca ptr",
    ]
    lines += [f"  %lp = getelementptr i8, ptr %m, i64 {LEFT}"]
    budget = "%n"
    if handler.counts:
        lines.append("  store i64 %n, ptr %lp")
    if handler.direct:
        lines += [f"  %ep = getelementptr i8, ptr %c, i64 {EIP}", "  %before = load i64, ptr %ep"]
    lines.append(f"  call i32 @{symbol}(ptr %ret, ptr %exc, ptr %c, ptr %m, ptr %e{constants})")
    if handler.may_leave:
        if not handler.counts:
            lines.append("  br label %check\ncheck:")
        lines += [
            f"  %vp = getelementptr i8, ptr %m, i64 {LEAVE}",
            "  %v = load i64, ptr %vp",
            "  %stay = icmp eq i64 %v, 0",
        ]
        if handler.counts:
            lines.append("  %nc = load i64, ptr %lp")
            budget = "%nc"
        lines.append("  br i1 %stay, label %on, label %leaving, !prof !1")
        lines += ["leaving:"] + ([] if handler.counts else ["  store i64 %n, ptr %lp"])
        ended = "1" if handler.ends in ("always", "branch") else "%gone" if handler.ends == "cc" else "0"
        if handler.ends == "cc":
            lines.append("  %gone = load i64, ptr %ret")
        lines += [f"  call void @limosa_settle(ptr %c, ptr %m, ptr %e, i64 {ended})", "  ret void", "on:"]
    elif handler.counts:
        lines.append("  %nc = load i64, ptr %lp")
        budget = "%nc"
    lines.append(_tail(handler, following).replace("i64 %n,", f"i64 {budget},"))
    lines.append("}")
    return "\n".join(lines)


def _tail(handler: Handler, following: str) -> str:
    branch = BRANCH.format(find=FOLLOW if handler.direct else FIND, left=LEFT)
    phi = "found:\n  %ab = phi i64 [ %k, %chain ], [ %as, %searched ]"
    if handler.direct:
        branch = branch.replace("found:", phi)
    if handler.ends == "always":
        return "  %n1 = sub i64 %n, 1\n  store i64 %n1, ptr %lp\n  ret void"
    if handler.ends == "branch":
        return "  br label %taken" + branch
    if handler.ends == "cc":
        return (
            "  %t = load i64, ptr %ret\n  %yes = icmp ne i64 %t, 0\n  br i1 %yes, label %taken, label %next"
            + branch
            + following
        )
    return "  br label %next" + following


def table_text(count: int, joined: int) -> str:
    """The handlers' addresses by number, and behind them those of the joined ones."""
    names = [*map(handler_name, range(count)), *map(joined_name, range(joined))]
    entries = ", ".join(f"ptr @{name}" for name in names)
    return f"@limosa_handlers = constant [{len(names)} x ptr] [{entries}]"


def helper_table_text(symbols: Sequence[str]) -> str:
    """What translated code calls: first how to go on at c.eip, what follows an instruction that leaves, how to go on
    and store the Op's address at `op` for the next time, and how to note a block; then the functions of
    `semantics_library.py`."""
    entries = ", ".join(
        f"ptr @{s}" for s in ("limosa_go_on", "limosa_settle_at", "limosa_go_on_linked", "limosa_noted", *symbols)
    )
    return f"@limosa_helpers = constant [{len(symbols) + FIRST_HELPER} x ptr] [{entries}]"


def wrapper_text(name: str, symbol: str, arguments: Sequence[str], result: str, *, internal: bool) -> str:
    """A plain C function around a numba one."""
    declared = ", ".join(f"{k} %{i}" for i, k in enumerate(arguments))
    passed = "".join(f", {k} %{i}" for i, k in enumerate(arguments))
    back = "  %v = load i64, ptr %ret\n  ret i64 %v" if result == "i64" else "  ret void"
    linkage = "internal " if internal else ""
    return (
        f"define {linkage}{result} @{name}({declared}) {{\nentry:\n  %ret = alloca i64\n  %exc = alloca ptr\n"
        f"  %status = call i32 @{symbol}(ptr %ret, ptr %exc{passed})\n{back}\n}}"
    )
