"""Out of a region: all ways lead to %go_on, which writes the private copies back and finds what comes next.

They are asked for more than once and taken seldom, so there is one place for each: `leaving`, where the instructions
come that have set m.leave, and behind it `go_on`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node.ia32.state import M32, OP_BYTES
from node.jit.dispatch import GO_ON, GO_ON_LINKED, SETTLE_AT
from node.jit.hot_fields import CHANGEABLE, FLEETING, HOT
from node.jit.record_copies import START_AGAIN, write_back_text
from node.jit.regions.writing import KINDS, OFTEN, RARE, Lines


@dataclass(frozen=True, slots=True)
class Leaving:
    """A way out from an instruction: the label it comes from, and values, as LLVM text writes them."""

    label: str
    left: str  # the budget in front of it
    at: int  # bytes behind its block's beginning
    length: int
    ended: str  # whether it has set c.eip to what comes next


def write_leaving(out: Lines, leaving: Sequence[Leaving]) -> None:
    """An instruction has set m.leave, one of those in `leaving`: what is told of it, and whether the interpreter shall
    start it again."""
    out.label("leaving")
    left, at, length, ended = (
        out.value("phi i64 " + ", ".join(f"[ {getattr(each, column)}, %{each.label} ]" for each in leaving))
        for column in ("left", "at", "length", "ended")
    )
    out.store("m", "left", left)
    for name, value in (("at", at), ("length", length), ("ended", ended)):
        out.add(f"  store i64 {value}, ptr %{name}, align 8")
    again = out.value(f"icmp eq i64 {out.load('m', 'leave')}, {START_AGAIN}")
    out.branch(again, "again", "go_on")
    out.label("again")
    eip = out.value(f"add i64 {out.load('c', 'eip')}, {at}")
    wrapped = out.value(f"and i64 {eip}, {M32}")
    out.store("c", "eip", wrapped)
    out.store("m", "leave", 0)
    out.store("m", "fault", 0)
    first = out.value(f"icmp eq i64 {wrapped}, %eip0")  # the dispatcher would come back here
    following = out.value(f"getelementptr i8, ptr %e, i64 {OP_BYTES}")
    next_op = out.value(f"select i1 {first}, ptr {following}, ptr null")
    out.add(f"  store ptr {next_op}, ptr %next, align 8", "  store ptr null, ptr %slot, align 8", "  br label %go_on")


def write_go_on(out: Lines) -> None:
    """Out of here: to the interpreter's loop at what has set m.leave, or on at c.eip with the budget
    in the copy's `left`. The Op there is %next if that is not null, or else it is looked up and put into %slot."""
    out.label("go_on")
    _write_back(out)
    left = out.load("m", "left")
    _count(out, left)
    leaves = out.value(f"icmp ne i64 {out.load('m', 'leave')}, 0")
    out.branch(leaves, "settle", "on", RARE)
    out.label("on")
    slot, known = out.value("load ptr, ptr %slot, align 8"), out.value("load ptr, ptr %next, align 8")
    out.branch(out.value(f"icmp eq i64 {left}, 0"), "search", "run", RARE)
    out.label("run")
    out.branch(out.value(f"icmp ne ptr {known}, null"), "known", "unknown", OFTEN)
    out.label("known")
    _tail(out, out.value(f"load ptr, ptr {known}, align 8"), known, left)
    out.label("unknown")
    out.branch(out.value(f"icmp eq ptr {slot}, null"), "far", "unlinked", OFTEN)
    out.label("far")  # looked up here, and not in one place for all regions, whose jump no host foresees
    found = out.value("call i64 @limosa_jump_known(ptr %c, ptr %m)")
    out.branch(out.value(f"icmp eq i64 {found}, 0"), "search", "found", RARE)
    out.label("found")
    op = out.value(f"inttoptr i64 {found} to ptr")
    _tail(out, out.value(f"load ptr, ptr {op}, align 8"), op, left)
    out.label("search")
    _tail(out, _helper(out, GO_ON), slot, left)
    out.label("unlinked")
    _tail(out, _helper(out, GO_ON_LINKED), slot, left)
    out.label("settle")
    out.store("m", "left", left, record="%m")
    at, length, ended = (out.value(f"load i64, ptr %{name}, align 8") for name in ("at", "length", "ended"))
    settle = _helper(out, SETTLE_AT)
    out.add(f"  call void {settle}(ptr %c, ptr %m, i64 {at}, i64 {length}, i64 {ended}) cold", "  ret void")


def _write_back(out: Lines) -> None:
    prefix = out.name()[1:]
    for letter, kind in KINDS.items():
        fields = sorted(CHANGEABLE & HOT[kind] - FLEETING - {"left"})
        out.add(*write_back_text(kind, fields, f"%{letter}a", f"%{letter}", f"{prefix}{letter}"))


def _count(out: Lines, left: str) -> None:
    """Add to m.translated what was executed here."""
    executed = out.value(f"sub i64 %n, {left}")
    before = out.load("m", "translated", record="%m")
    out.store("m", "translated", out.value(f"add i64 {before}, {executed}"), record="%m")


def _helper(out: Lines, number: int | str) -> str:
    table = out.value(f"inttoptr i64 {out.load('m', 'helpers')} to ptr")
    place = out.value(f"getelementptr ptr, ptr {table}, i64 {number}")
    return out.value(f"load ptr, ptr {place}, align 8")


def _tail(out: Lines, handler: str, op: str, left: str) -> None:
    out.add(f"  musttail call preserve_nonecc void {handler}(ptr {op}, ptr %c, ptr %m, i64 {left})", "  ret void")
