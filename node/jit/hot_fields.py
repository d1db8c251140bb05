"""Which record fields a translated region keeps in registers, and which of them a function out of its line may touch.

In a region the semantics do not work on the Cpu and Machine records but on private copies of these fields, which LLVM
turns into registers; every other field is reached through a pointer to the record proper (`lowering.py`). A function
that is not inlined works on the records, so around its call the copies that it reads are written back, and those that
it writes are read again. What it touches is found in its source and in that of all it calls.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

from node.jitted import PRIMITIVES, REGISTRY

HOT = {
    "cpu": frozenset({"gpr", "eip", "cc_op", "cc_dst", "cc_src", "base", "limit"}),
    "machine": frozenset(
        {"ram", "tlb", "helpers", "need_read", "need_write", "need_fetch", "seg_ok", "stack_mask", "left", "leave",
         "fault", "first", "operand"}
    ),
}  # fmt: skip
# What code inlined into a region may change; a semantic that changes more is called, not inlined
CHANGEABLE = frozenset({"gpr", "eip", "cc_op", "cc_dst", "cc_src", "left", "leave", "fault", "first", "operand"})
FLEETING = frozenset(
    {"first", "operand"}
)  # worth nothing once the instruction is over: neither fetched nor written back
ALL_HOT = HOT["cpu"] | HOT["machine"]


@dataclass(frozen=True, slots=True)
class Effects:
    """Hot fields by name, whichever record they belong to."""

    reads: frozenset[str]
    writes: frozenset[str]

    @property
    def touched(self) -> frozenset[str]:
        return self.reads | self.writes


@cache
def effects_of(function: Callable[..., Any]) -> Effects:
    """Of `function` and everything it calls, inlined or not."""
    reads: set[str] = set()
    writes: set[str] = set()
    for callee in closure_of(function):
        own = _own_effects(callee)
        reads |= own.reads
        writes |= own.writes
    return Effects(frozenset(reads), frozenset(writes))


@cache
def inline_effects_of(function: Callable[..., Any]) -> Effects:
    """Of what becomes part of a region when `function` is inlined: itself and the inlined functions it calls."""
    reads: set[str] = set()
    writes: set[str] = set()
    for callee in closure_of(function, inlined_only=True):
        own = _own_effects(callee)
        reads |= own.reads
        writes |= own.writes
    return Effects(frozenset(reads), frozenset(writes))


def closure_of(function: Callable[..., Any], *, inlined_only: bool = False) -> set[Callable[..., Any]]:
    found: set[Callable[..., Any]] = set()
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for callee in callees_of(one):
            if not inlined_only or callee not in REGISTRY or REGISTRY[callee].inline or REGISTRY[callee].fold:
                waiting.append(callee)
    return found


@cache
def callees_of(function: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """Registered functions and primitives that the code of `function` names; of a primitive's plain reading, all."""
    scope = function.__globals__
    named = [scope.get(name) for name in function.__code__.co_names]
    plain = function in PRIMITIVES
    return tuple(f for f in named if isinstance(f, FunctionType) and (plain or f in REGISTRY or f in PRIMITIVES))


@cache
def _own_effects(function: Callable[..., Any]) -> Effects:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    reads = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ALL_HOT}
    writes = {name for target in _targets(tree) for name in _fields_of(target) if name in ALL_HOT}
    return Effects(
        frozenset(reads), frozenset(writes | reads & FLEETING)
    )  # latches are handed to functions that fill them


def _targets(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            yield node.target


def _fields_of(target: ast.expr) -> Iterator[str]:
    """`c.eip = `, `c.gpr[i] = `, `a, c.eip = `: the fields that are stored to."""
    if isinstance(target, ast.Tuple):
        for element in target.elts:
            yield from _fields_of(element)
    elif isinstance(target, ast.Subscript):
        yield from _fields_of(target.value)
    elif isinstance(target, ast.Attribute):
        yield target.attr
