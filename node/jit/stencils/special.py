"""The stencils of what is no instruction: a block's beginning and end, and the way to the interpreter's handlers.

ENTRY, ENOUGH, INTERPRETED, PAUSED and NOTHING are found by their slots in the row of ENTRY_HANDLER, which is no Op of a
block's code. NOTHING, of no bytes, is for an Op that the stencil in front of it has executed too.
"""

from node.ia32.blocks import ENTRY_HANDLER, FALL_HANDLER
from node.ia32.state import M32, MODE_CODE, MODE_FLAT, MODE_WATCHED
from node.jit.dispatch import EIP, LEFT, MODE, NOTED
from node.jit.dispatch import LINK as LINK_AT
from node.jit.special_handlers import COUNTDOWN
from node.jit.stencils import kinds
from node.jit.stencils.kinds import COUNT, DONE, HANDLER, LINK, OPERATION, Way
from node.jit.stencils.writing import HELPERS_AT, NEXT, SLOW, function, hole, loaded, small_hole, wide_hole

ENTRY = function(
    f"{ENTRY_HANDLER}_{kinds.ENTRY}",
    [
        wide_hole("e", OPERATION),
        f"  %kp = getelementptr i8, ptr %e, i64 {COUNTDOWN}",
        "  %k = load i32, ptr %kp",
        "  %k1 = sub i32 %k, 1",
        "  store i32 %k1, ptr %kp",
        "  %hot = icmp eq i32 %k1, 0",
        "  br i1 %hot, label %noted, label %go, !prof !0",
        "noted:",
        *loaded("m", "hs", HELPERS_AT, "ptr"),
        f"  %fp = getelementptr ptr, ptr %hs, i64 {NOTED}",
        "  %f = load ptr, ptr %fp",
        "  musttail call preserve_nonecc void %f(ptr %e, ptr %c, ptr %m, i64 %n)",
        "  ret void",
        "go:",
        NEXT,
    ],
)
ENOUGH = function(
    f"{ENTRY_HANDLER}_{kinds.ENOUGH}",
    [
        *loaded("m", "mode", MODE),
        f"  %b = and i64 %mode, {MODE_FLAT | MODE_CODE | MODE_WATCHED}",
        f"  %fit = icmp eq i64 %b, {MODE_FLAT | MODE_CODE}",
        small_hole("least", COUNT),
        "  %enough = icmp uge i64 %n, %least",
        "  %both = and i1 %fit, %enough",
        "  br i1 %both, label %go, label %slow, !prof !1",
        "go:",
        NEXT,
        "slow:",
        SLOW,
    ],
)
INTERPRETED = function(
    f"{ENTRY_HANDLER}_{kinds.INTERPRETED}",
    [
        wide_hole("e", OPERATION),
        wide_hole("h", HANDLER),
        small_hole("done", DONE),
        "  %n1 = add i64 %n, %done",
        "  musttail call preserve_nonecc void %h(ptr %e, ptr %c, ptr %m, i64 %n1)",
        "  ret void",
    ],
)
PAUSED = function(
    f"{ENTRY_HANDLER}_{kinds.PAUSED}",
    [f"  %leftp = getelementptr i8, ptr %m, i64 {LEFT}", "  store i64 0, ptr %leftp", "  ret void"],
)
NOTHING = function(f"{ENTRY_HANDLER}_{kinds.NOTHING}", [NEXT])
_AFTER = [
    *loaded("c", "eip", EIP),
    hole("at", "at", 256),
    "  %sum = add i64 %eip, %at",
    f"  %after = and i64 %sum, {M32}",
    "  store i64 %after, ptr %eipp",
    small_hole("done", DONE),
    "  %n1 = add i64 %n, %done",
    "  %h = load ptr, ptr %to",
    "  musttail call preserve_nonecc void %h(ptr %to, ptr %c, ptr %m, i64 %n1)",
    "  ret void",
]
FALL_LINKED = function(f"{FALL_HANDLER}_{Way.LINKED.slot}", [wide_hole("to", LINK), *_AFTER])
FALL_SEARCHED = function(
    f"{FALL_HANDLER}_{Way.SEARCHED.slot}",
    [
        wide_hole("e", OPERATION),
        *loaded("e", "to", LINK_AT, "ptr"),
        "  %linked = icmp ne ptr %to, null",
        "  br i1 %linked, label %follow, label %slow, !prof !1",
        "follow:",
        *_AFTER,
        "slow:",
        SLOW,
    ],
)
SPECIAL = "\n".join([ENTRY, ENOUGH, INTERPRETED, PAUSED, NOTHING, FALL_LINKED, FALL_SEARCHED])
