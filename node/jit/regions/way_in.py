"""Into a region: whether it may be entered, and its private copies of the hot fields.

Leaves behind, for the rest of the region's text: %ca and %ma, the copies; %data, of the region; %eip0, where it was
entered; the slots %next and %slot, and %at, %length and %ended, for the ways out (`ways_out.py`).
"""

from node.ia32.state import CPU, CS, DS, ES, M32, MACHINE, MODE_FLAT, MODE_USER, OP, OP_BYTES, SS
from node.ia32.tlb import FETCH_KERNEL, FETCH_USER, READ_KERNEL, READ_USER, WRITE_KERNEL, WRITE_USER
from node.jit.hot_fields import FLEETING, HOT
from node.jit.record_copies import HELPERS, REAL, fetch_text
from node.jit.regions.shape import Shape
from node.jit.regions.writing import KINDS, OFTEN, Lines

LINK = OP.fields["link"][1]  # type: ignore[index]


def write_way_in(out: Lines, shape: Shape) -> None:
    """Is the processor in the mode that the region was made for, and the budget enough for a block?"""
    out.label("entry")
    out.add("  %slot = alloca ptr, align 8", "  %next = alloca ptr, align 8")
    out.add(*(f"  %{name} = alloca i64, align 8" for name in ("at", "length", "ended")))
    out.add(f"  %ca = alloca [{CPU.itemsize} x i8], align 8", f"  %ma = alloca [{MACHINE.itemsize} x i8], align 8")
    expected = out.value(f"icmp eq i64 {out.load('m', 'mode', record='%m')}, {shape.mode}")
    enough = out.value(f"icmp uge i64 %n, {len(shape.blocks[0].instructions)}")
    out.branch(out.value(f"and i1 {expected}, {enough}"), "begin", "interpreted", OFTEN)
    out.label("interpreted")
    out.add(f"  %e1 = getelementptr i8, ptr %e, i64 {OP_BYTES}", "  %h1 = load ptr, ptr %e1")
    out.add("  musttail call preserve_nonecc void %h1(ptr %e1, ptr %c, ptr %m, i64 %n)", "  ret void")
    out.label("begin")
    out.add("  store ptr null, ptr %slot, align 8", "  store ptr null, ptr %next, align 8")
    out.add(f"  %dp = getelementptr i8, ptr %e, i64 {LINK}", "  %data = load ptr, ptr %dp")
    for letter, kind in KINDS.items():
        out.add(*fetch_text(kind, sorted(HOT[kind] - FLEETING), f"%{letter}", f"%{letter}a", f"in{letter}"))
        out.add(f"  %real{letter} = getelementptr i8, ptr %{letter}a, i64 {REAL[kind]}")
        out.add(f"  store ptr %{letter}, ptr %real{letter}, align 8")
    helpers = out.load("m", "helpers")
    out.add(f"  %hc = getelementptr i8, ptr %ca, i64 {HELPERS['cpu']}", f"  store i64 {helpers}, ptr %hc, align 8")
    _assume(out, shape.mode)
    out.add(f"  %eip0 = add i64 {out.load('c', 'eip')}, 0", "  br label %b0")


def _assume(out: Lines, mode: int) -> None:
    """What the mode says, as constants; and where `left` is kept from now on."""
    user = mode & MODE_USER
    out.store("c", "gpr", 0, 8)
    out.store("c", "limit", M32, CS)
    for field, value in (
        ("left", "%n"),
        ("leave", 0),
        ("fault", 0),
        ("need_read", READ_USER if user else READ_KERNEL),
        ("need_write", WRITE_USER if user else WRITE_KERNEL),
        ("need_fetch", FETCH_USER if user else FETCH_KERNEL),
    ):
        out.store("m", field, value)
    if mode & MODE_FLAT:
        for segment in (CS, SS, DS, ES):
            out.store("c", "base", 0, segment)
        for segment in (SS, DS, ES):
            out.store("m", "seg_ok", 3, segment)
        out.store("m", "stack_mask", M32)
