"""A *checked* build asks before each access by number whether the processor owns that memory, and dies if it does not.

The ordinary build is made with `Unchecked`, which adds nothing. In the other one these ask `limosa_check`:

    primitives            for all that they say they touch, and whether numbers are below what they take them to be
    arrays in records     whether the index is one of theirs, at every place where numba makes a pointer of it
    hand-written texts    at each load and store but those of their own variables and of the records' fields

It looks through `limosa_ranges`, which `checked_engine.py` fills. An access from one thing that the processor owns into
another passes.
"""

import re
from typing import Any, Protocol

from llvmlite import ir

from node.jitted import Primitive, Touch

CHECK, INDEX = "limosa_check", "limosa_index"
RANGES, USED, REPORT = "limosa_ranges", "limosa_ranges_used", "limosa_report"
CAPACITY = 1 << 14  # ranges
BAD_INDEX = -1  # in the place of a size

DEFINITION = f"""
@{RANGES} = global [{CAPACITY} x {{ i64, i64 }}] zeroinitializer
@{USED} = global i64 0
@{REPORT} = global ptr null
declare void @llvm.trap()
define void @{CHECK}(i64 %at, i64 %size) noinline nounwind {{
  %nothing = icmp eq i64 %size, 0
  br i1 %nothing, label %fine, label %some
some:
  %end = add i64 %at, %size
  %wraps = icmp ult i64 %end, %at
  %used = load i64, ptr @{USED}
  br i1 %wraps, label %outside, label %next
next:
  %i = phi i64 [ %used, %some ], [ %j, %look ]
  %none = icmp eq i64 %i, 0
  br i1 %none, label %outside, label %look
look:
  %j = sub i64 %i, 1
  %p = getelementptr {{ i64, i64 }}, ptr @{RANGES}, i64 %j
  %first = load i64, ptr %p
  %q = getelementptr i64, ptr %p, i64 1
  %last = load i64, ptr %q
  %behind = icmp uge i64 %at, %first
  %before = icmp ule i64 %end, %last
  %inside = and i1 %behind, %before
  br i1 %inside, label %fine, label %next
outside:
  %report = load ptr, ptr @{REPORT}
  call void %report(i64 %at, i64 %size)
  call void @llvm.trap()
  unreachable
fine:
  ret void
}}
"""
DECLARATION = f"declare void @{CHECK}(i64, i64)"
INDEX_DEFINITION = f"""
define weak_odr void @{INDEX}(i64 %i, i64 %count) alwaysinline nounwind {{
  %inside = icmp ult i64 %i, %count
  br i1 %inside, label %fine, label %outside
outside:
  call void @{CHECK}(i64 %i, i64 {BAD_INDEX})
  br label %fine
fine:
  ret void
}}
"""


class Checks(Protocol):
    """What a build adds."""

    bounds: bool  # whether numba asks `index`
    definition: str  # of the functions that are called, for the interpreter; for other modules:
    declaration: str
    common: str  # for all
    helpers: tuple[str, ...]  # symbols that stencils call besides what they always do
    exported: frozenset[str]

    def index(self, context: Any, builder: Any, index: Any, count: Any, axis: Any = None) -> None: ...
    def of_primitive(self, primitive: Primitive) -> str: ...
    def in_text(self, text: str) -> str: ...


class Unchecked:
    bounds = False
    definition = declaration = common = ""
    helpers: tuple[str, ...] = ()
    exported: frozenset[str] = frozenset()

    def index(self, context: Any, builder: Any, index: Any, count: Any, axis: Any = None) -> None:
        raise AssertionError("numba has not been asked to")

    def of_primitive(self, primitive: Primitive) -> str:
        return ""

    def in_text(self, text: str) -> str:
        return text


class Checked:
    bounds = True
    definition, declaration, common = DEFINITION, DECLARATION, INDEX_DEFINITION
    helpers: tuple[str, ...] = (CHECK,)
    exported: frozenset[str] = frozenset({CHECK, RANGES, USED, REPORT})

    def index(self, context: Any, builder: Any, index: Any, count: Any, axis: Any = None) -> None:
        """In the place of numba's `cgutils.do_boundscheck`."""
        number = ir.IntType(64)
        callee = builder.module.globals.get(INDEX) or ir.Function(
            builder.module, ir.FunctionType(ir.VoidType(), [number, number]), INDEX
        )
        builder.call(callee, [index, count])

    def of_primitive(self, primitive: Primitive) -> str:
        """Lines in front of its body."""
        lines = [f"call void @{INDEX}(i64 {number}, i64 {limit})" for number, limit in primitive.below]
        for i, touch in enumerate(primitive.touches):
            lines += _touch_lines(i, touch)
        return "".join(f"{line}\n" for line in lines)

    def in_text(self, text: str) -> str:
        return _Text().checked(text)


def _touch_lines(i: int, touch: Touch) -> list[str]:
    if not touch.if_any:
        return [f"call void @{CHECK}(i64 {touch.address}, i64 {touch.size})"]
    return [
        f"%any{i} = icmp ne i64 {touch.address}, 0",
        f"%size{i} = select i1 %any{i}, i64 {touch.size}, i64 0",
        f"call void @{CHECK}(i64 {touch.address}, i64 %size{i})",
    ]


_FUNCTION = re.compile(r"define [^@]*@([\w.$]+)")
_OWN = re.compile(r"\s*(%\w+) = (?:alloca|getelementptr i8, ptr (%\w+), i64 \d+$)")
_ACCESS = re.compile(r"\s*(?:%\w+ = load (\w+), ptr (%\w+)|store (\w+) [^,]+, ptr (%\w+))")
_SIZE = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "ptr": 8}
_MADE_OF_PRIMITIVES = "limosa_s"


class _Text:
    """Checks in LLVM text as it is written in this package: one statement a line."""

    def __init__(self) -> None:
        self._own: set[str] = set()  # pointers to variables and to fields of the records
        self._passed_over = False
        self._count = 0

    def checked(self, text: str) -> str:
        lines: list[str] = []
        for line in text.splitlines():
            function = _FUNCTION.match(line)
            if function:
                self._own = {"%c", "%m"}
                self._passed_over = re.fullmatch(_MADE_OF_PRIMITIVES + r"\d+", function[1]) is not None
            if not self._passed_over:
                lines += self._before(line)
            lines.append(line)
        return "\n".join(lines)

    def _before(self, line: str) -> list[str]:
        own = _OWN.match(line)
        if own and (own[2] is None or own[2] in self._own):
            self._own.add(own[1])
        access = _ACCESS.match(line)
        if access is None:
            return []
        kind, pointer = access[1] or access[3], access[2] or access[4]
        if pointer in self._own:
            return []
        self._count += 1
        name = f"%checked{self._count}"
        return [
            f"  {name} = ptrtoint ptr {pointer} to i64",
            f"  call void @{CHECK}(i64 {name}, i64 {_SIZE[kind]})",
        ]
