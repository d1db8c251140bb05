"""What is no instruction, as LLVM text beside the handlers (`dispatch.py`): a block's first Op and what comes after its
last, the way to where c.eip leads, and `execute` itself.
"""

from node.ia32.blocks import (
    DEAD_HANDLER,
    ENTRY_HANDLER,
    FALL_HANDLER,
    JUMP_BYTES,
    JUMPS,
    SCRATCH_OPS,
    UNDEFINED_HANDLER,
)
from node.ia32.state import CPU, CS, M32, MACHINE, OP, OP_BYTES
from node.jit.dispatch import EIP, FOLLOW, LEFT, MODE, SIGNATURE, handler_name, numbered

JUMPS_AT, TLB, OPS, HANDLERS, LOOK_MASK = (
    MACHINE.fields[f][1]  # type: ignore[index]
    for f in ("jumps", "tlb", "ops", "handlers", "look_mask")
)
CODE_BASE = CPU.fields["base"][1] + 8 * CS  # type: ignore[index]
COUNTDOWN = OP.fields["disp"][1]  # type: ignore[index]

# The Op that c.eip leads to, as far as it has been found before and is not dead; 0: it must be looked for
JUMP_KNOWN = f"""
define internal i64 @limosa_jump_known(ptr %c, ptr %m) alwaysinline {{
  %bp = getelementptr i8, ptr %c, i64 {CODE_BASE}
  %base = load i64, ptr %bp
  %ep = getelementptr i8, ptr %c, i64 {EIP}
  %eip = load i64, ptr %ep
  %sum = add i64 %base, %eip
  %linear = and i64 %sum, {M32}
  %page = lshr i64 %linear, 12
  %mixed = xor i64 %linear, %page
  %place = and i64 %mixed, {JUMPS - 1}
  %offset = mul i64 %place, {JUMP_BYTES}
  %jp = getelementptr i8, ptr %m, i64 {JUMPS_AT}
  %jumps = load ptr, ptr %jp
  %at = getelementptr i8, ptr %jumps, i64 %offset
  %l = load i64, ptr %at
  %same = icmp eq i64 %l, %linear
  %at1 = getelementptr i8, ptr %at, i64 8
  %mode = load i64, ptr %at1
  %mp = getelementptr i8, ptr %m, i64 {MODE}
  %present = load i64, ptr %mp
  %also = icmp eq i64 %mode, %present
  %at2 = getelementptr i8, ptr %at, i64 16
  %entry = load i64, ptr %at2
  %tp = getelementptr i8, ptr %m, i64 {TLB}
  %tlb = load ptr, ptr %tp
  %ip = getelementptr i64, ptr %tlb, i64 %page
  %mapped = load i64, ptr %ip
  %still = icmp eq i64 %entry, %mapped
  %at3 = getelementptr i8, ptr %at, i64 24
  %op = load i64, ptr %at3
  %some = icmp ne i64 %op, 0
  %b1 = and i1 %same, %also
  %b2 = and i1 %still, %some
  %b = and i1 %b1, %b2
  br i1 %b, label %known, label %none, !prof !1
known:
  %o = inttoptr i64 %op to ptr
  %h = load ptr, ptr %o
  %hp = getelementptr i8, ptr %m, i64 {HANDLERS}
  %handlers = load ptr, ptr %hp
  %dp = getelementptr ptr, ptr %handlers, i64 {DEAD_HANDLER}
  %dead = load ptr, ptr %dp
  %alive = icmp ne ptr %h, %dead
  br i1 %alive, label %hit, label %none, !prof !1
hit:
  ret i64 %op
none:
  ret i64 0
}}
"""


SPECIAL = f"""
{JUMP_KNOWN}
define internal i64 @limosa_jump(ptr %c, ptr %m) alwaysinline {{
  %op = call i64 @limosa_jump_known(ptr %c, ptr %m)
  %b = icmp ne i64 %op, 0
  br i1 %b, label %hit, label %slow, !prof !1
hit:
  ret i64 %op
slow:
  %a = call i64 @limosa_find_jump(ptr %c, ptr %m)
  ret i64 %a
}}
define internal preserve_nonecc void @limosa_go_on_linked{SIGNATURE} {{
  %end = icmp eq i64 %n, 0
  br i1 %end, label %lost, label %look, !prof !0
look:
  %a = call i64 @limosa_find(ptr %c, ptr %m)
  %no = icmp eq i64 %a, 0
  br i1 %no, label %lost, label %found, !prof !0
found:
  %op = getelementptr i8, ptr %m, i64 {OPS}
  %scratch = load i64, ptr %op
  %lasting = add i64 %scratch, {SCRATCH_OPS * OP_BYTES}
  %keep = icmp uge i64 %a, %lasting
  br i1 %keep, label %link, label %go
link:
  store i64 %a, ptr %e
  br label %go
go:
  %e1 = inttoptr i64 %a to ptr
  %h = load ptr, ptr %e1
  musttail call preserve_nonecc void %h(ptr %e1, ptr %c, ptr %m, i64 %n)
  ret void
lost:
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  store i64 %n, ptr %lp
  ret void
}}
define internal preserve_nonecc void @{handler_name(DEAD_HANDLER)}{SIGNATURE} {numbered(DEAD_HANDLER)} {{
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  store i64 %n, ptr %lp
  ret void
}}
define internal preserve_nonecc void @{handler_name(UNDEFINED_HANDLER)}{SIGNATURE} {numbered(UNDEFINED_HANDLER)} {{
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  store i64 %n, ptr %lp
  call void @limosa_undefined(ptr %m)
  call void @limosa_stop_before(ptr %c, ptr %e)
  ret void
}}
define internal preserve_nonecc void @{handler_name(FALL_HANDLER)}{SIGNATURE} {numbered(FALL_HANDLER)} {{
  %ep = getelementptr i8, ptr %c, i64 {EIP}
  %before = load i64, ptr %ep
  call void @limosa_stop_before(ptr %c, ptr %e)
  br label %chain
chain:
{FOLLOW}
found:
  %ab = phi i64 [ %k, %chain ], [ %as, %searched ]
  %e1 = inttoptr i64 %ab to ptr
  %h = load ptr, ptr %e1
  musttail call preserve_nonecc void %h(ptr %e1, ptr %c, ptr %m, i64 %n)
  ret void
lost:
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  store i64 %n, ptr %lp
  ret void
}}
define internal preserve_nonecc void @{handler_name(ENTRY_HANDLER)}{SIGNATURE} {numbered(ENTRY_HANDLER)} {{
  %kp = getelementptr i8, ptr %e, i64 {COUNTDOWN}
  %k = load i32, ptr %kp
  %k1 = sub i32 %k, 1
  store i32 %k1, ptr %kp
  %mp = getelementptr i8, ptr %m, i64 {LOOK_MASK}
  %mask = load i32, ptr %mp
  %rest = and i32 %k1, %mask
  %look = icmp eq i32 %rest, 0
  br i1 %look, label %looked, label %go, !prof !0
looked:
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  store i64 %n, ptr %lp
  call void @limosa_warm(ptr %c, ptr %m, ptr %e)
  br label %go
go:
  %e1 = getelementptr i8, ptr %e, i64 {OP_BYTES}
  %h = load ptr, ptr %e1
  musttail call preserve_nonecc void %h(ptr %e1, ptr %c, ptr %m, i64 %n)
  ret void
}}
define internal preserve_nonecc void @limosa_noted{SIGNATURE} {{
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  store i64 %n, ptr %lp
  call void @limosa_due(ptr %c, ptr %m, ptr %e)
  %e1 = getelementptr i8, ptr %e, i64 {OP_BYTES}
  %h = load ptr, ptr %e1
  musttail call preserve_nonecc void %h(ptr %e1, ptr %c, ptr %m, i64 %n)
  ret void
}}
define internal preserve_nonecc void @limosa_go_on{SIGNATURE} {{
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  %end = icmp eq i64 %n, 0
  br i1 %end, label %lost, label %look, !prof !0
look:
  %a = call i64 @limosa_jump(ptr %c, ptr %m)
  %no = icmp eq i64 %a, 0
  br i1 %no, label %lost, label %found, !prof !0
found:
  %e1 = inttoptr i64 %a to ptr
  %h = load ptr, ptr %e1
  musttail call preserve_nonecc void %h(ptr %e1, ptr %c, ptr %m, i64 %n)
  ret void
lost:
  store i64 %n, ptr %lp
  ret void
}}
define void @limosa_execute(ptr %c, ptr %m, i64 %a) noinline {{
  %e = inttoptr i64 %a to ptr
  %lp = getelementptr i8, ptr %m, i64 {LEFT}
  %n = load i64, ptr %lp
  %h = load ptr, ptr %e
  call preserve_nonecc void %h(ptr %e, ptr %c, ptr %m, i64 %n)
  ret void
}}
!0 = !{{!"branch_weights", i32 1, i32 2000}}
!1 = !{{!"branch_weights", i32 2000, i32 1}}
"""
