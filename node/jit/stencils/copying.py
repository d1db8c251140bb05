"""Copy a block's stencils, one behind another, and fill their holes: tens of nanoseconds an instruction.

    entry         count the entry; hot blocks are noted                      ← the handler of the block's first Op
    enough        is it the mode that stencils are for, and budget enough?   ← the handler of the second
    stencil …     an Op each; one that has no stencil is left to the interpreter's handler, and behind it comes
                  `enough` again, which is now the handler of the following Op
    aside …       for each Op that may need a slow path the way to the interpreter's handler

In front of all lies `paused`, where whatever has used up the budget goes. What is copied belongs to its block: nothing
leads here when the block's first Op is DEAD, and `forget_all` empties the arena.
"""

from node.ia32.blocks import ENTRY_HANDLER, FALL_HANDLER, MOST_OPS, block_numbered, handler_numbered, note, op_at
from node.ia32.state import EBX, FS, GS, M8, M32, NO_REG, OP_BYTES, SS, Cpu, Machine, Op
from node.jit.dispatch import NUMBER_BYTES
from node.jit.stencils import kinds
from node.jit.stencils.kinds import (
    A_IS_BYTE,
    B_IS_BYTE,
    DIRECT,
    ENOUGH,
    ENTRY,
    INTERPRETED,
    KEPT,
    LOW,
    MEMORY,
    PAUSED,
    UNKNOWN,
    WAYS,
    WIDE_FIELDS,
    Way,
)
from node.jitted import inlined, jitted, peek8, peek32, peek64, poke8, poke32, poke64

ROW_BYTES = 8 * (2 + WAYS)
BASE, BASE_INDEX, PLACE, IN_FS, IN_GS = (
    way.slot for way in (Way.BASE, Way.BASE_INDEX, Way.PLACE, Way.IN_FS, Way.IN_GS)
)
LINKED, SEARCHED = Way.LINKED.slot, Way.SEARCHED.slot
SEARCHED_AFTER = Way.SEARCHED_AFTER_SUB4.slot - Way.LINKED_AFTER_SUB4.slot
AFTER_SUB4, AFTER_SUB1, AFTER_LOGIC4 = (way.slot for way in (Way.AFTER_SUB4, Way.AFTER_SUB1, Way.AFTER_LOGIC4))
SUB4, SUB1, LOGIC4 = (kinds.FLAGS_OF[way] for way in (Way.AFTER_SUB4, Way.AFTER_SUB1, Way.AFTER_LOGIC4))
COUNT, DONE, AFTER, TARGET, OPERATION, LINK, HANDLER, HELPERS, NEXT, SLOW = (
    kinds.HOLES.index(getattr(kinds, hole))
    for hole in (
        *("COUNT", "DONE", "AFTER", "TARGET"),
        *("OPERATION", "LINK", "HANDLER", "HELPERS", "NEXT", "SLOW"),
    )
)
FIELDS, LOW_PLACES = len(kinds.FIELDS), len(kinds.FIELDS) + len(kinds.PLACES)
STENCIL_BYTES = 24  # in front of its holes
DISP_AT, LENGTH_AT, A_AT = 16, 24, 26  # in an Op: its fields lie in the order of kinds.FIELDS
NOT_HERE = -1
CHOSEN_BYTES = 8 * (MOST_OPS + 1)  # the arena's end


@inlined
def stencil_of(m: Machine, number: int, slot: int) -> int:
    """Its address, or 0."""
    offset = peek64(m.stencils + number * ROW_BYTES + 16 + (slot << 3))
    return m.stencils + offset if offset else 0


@inlined
def special(m: Machine, slot: int) -> int:
    return stencil_of(m, ENTRY_HANDLER, slot)


@inlined
def code_bytes(stencil: int) -> int:
    return peek64(stencil)


@inlined
def is_sometimes_slow(stencil: int) -> int:
    return peek64(stencil + 16)


@jitted
def stencil_for(m: Machine, e: Op, flags: int) -> int:
    """The stencil for an Op; 0: there is none. `flags`: the value of cc_op that is expected in front of it, or UNKNOWN;
    it is looked at when the stencil runs."""
    number = peek64(int(e.handler) - NUMBER_BYTES)
    row = peek64(m.stencils + number * ROW_BYTES)
    kind, low = row & (A_IS_BYTE - 1), _low(e, row)
    if kind == MEMORY:
        way = _way_to_memory(e)
        return 0 if way == NOT_HERE else stencil_of(m, number, way + low)
    searched = 1 if kind == DIRECT and int(e.link) == 0 else 0
    slot = _slot_after(flags)
    after = stencil_of(m, number, slot + low + SEARCHED_AFTER * searched) if slot else 0
    return after if after else stencil_of(m, number, low + searched)  # ONLY or LINKED, or SEARCHED


@inlined
def _low(e: Op, row: int) -> int:
    """LOW, if there are byte registers and all are among the first four."""
    if row & (A_IS_BYTE | B_IS_BYTE) == 0 or (row & A_IS_BYTE and int(e.a) > EBX):
        return 0
    return 0 if row & B_IS_BYTE and int(e.b) > EBX else LOW


@inlined
def _slot_after(flags: int) -> int:
    """0: none."""
    if flags == SUB4:
        return AFTER_SUB4
    if flags == SUB1:
        return AFTER_SUB1
    return AFTER_LOGIC4 if flags == LOGIC4 else 0


@inlined
def flags_after(m: Machine, number: int, before: int) -> int:
    """What a handler makes of them."""
    left = peek64(m.stencils + number * ROW_BYTES + 8)
    return before if left == KEPT else left


@inlined
def _way_to_memory(e: Op) -> int:
    segment = int(e.seg) & 7
    if int(e.scale) & 4:
        return NOT_HERE
    if segment == FS:
        return IN_FS
    if segment == GS:
        return IN_GS
    if segment != 0 and segment != SS and segment != 3:  # ES and DS
        return NOT_HERE
    if int(e.index) != NO_REG:
        return BASE_INDEX
    return PLACE if int(e.base) == NO_REG else BASE


@jitted
def warm(c: Cpu, m: Machine, e: Op) -> None:
    """The block that `e` begins has been entered often enough to be copied, or to be noted."""
    if int(e.disp) == m.copy_at and m.stencils:
        copy_block(m, int(e.imm))
    if int(e.disp) == 0:
        note(c, m, e)


@jitted
def copy_block(m: Machine, number: int) -> None:
    """Copy the block with this number, unless there is no room (`is_full` sees that soon) or it has been copied."""
    block = block_numbered(m, number)
    if op_at(block.ops).handler != handler_numbered(m, ENTRY_HANDLER):
        return
    ops = block.ops + OP_BYTES
    chosen = m.copies + m.copies_bytes - CHOSEN_BYTES
    count = _choose(m, ops, chosen)
    aside_bytes, enough_bytes = code_bytes(special(m, INTERPRETED)), code_bytes(special(m, ENOUGH))
    size = code_bytes(special(m, ENTRY)) + enough_bytes
    for i in range(count):
        stencil = peek64(chosen + (i << 3))
        size += code_bytes(stencil) if stencil else aside_bytes + enough_bytes
    if m.copies_used == 0:
        m.copies_used = _copy(m, m.copies, special(m, PAUSED), 0, 0, 0) - m.copies
    start = m.copies + m.copies_used
    asides_bytes = _asides(count, chosen) * aside_bytes
    if start + size + asides_bytes + 8 > chosen:
        m.copies_full = 1
        return
    m.copies_used += size + asides_bytes
    _copy(m, start, special(m, ENTRY), block.ops, 0, 0)
    _copy_operations(m, ops, count, chosen, start + code_bytes(special(m, ENTRY)), start + size)
    _enter(m, ops, count, chosen, start + code_bytes(special(m, ENTRY)))
    op_at(block.ops).handler = start + m.copies_run - m.copies


@jitted
def _choose(m: Machine, ops: int, chosen: int) -> int:
    """The stencil for each Op of the block and for FALL, which comes last, as addresses at `chosen`; their number."""
    fall = handler_numbered(m, FALL_HANDLER)
    flags, count, ended = UNKNOWN, 0, 0
    while ended == 0:
        e = op_at(ops + count * OP_BYTES)
        ended = 1 if int(e.handler) == fall else 0
        stencil = stencil_for(m, e, flags)
        poke64(chosen + (count << 3), stencil)
        flags = flags_after(m, peek64(int(e.handler) - NUMBER_BYTES), flags)
        count += 1
    return count


@inlined
def _goes_aside(fresh: int, stencil: int) -> int:
    """`fresh`: `enough` is in front."""
    if fresh:
        return 1
    return is_sometimes_slow(stencil) if stencil else 0


@jitted
def _asides(count: int, chosen: int) -> int:
    fresh, asides = 1, 0
    for i in range(count):
        stencil = peek64(chosen + (i << 3))
        if _goes_aside(fresh, stencil):
            asides += 1
        fresh = 0 if stencil else 1
    return asides


@jitted
def _copy_operations(m: Machine, ops: int, count: int, chosen: int, start: int, aside: int) -> None:
    """What has been chosen, from `start` on; and from `aside` on the ways aside."""
    interpreted = special(m, INTERPRETED)
    at, slow = start, aside
    since = 0  # the Op in front of which the budget was looked at last
    fresh = 1
    for i in range(count):
        address, stencil = ops + i * OP_BYTES, peek64(chosen + (i << 3))
        aside_too = _goes_aside(fresh, stencil)
        if fresh:
            at = _copy(m, at, special(m, ENOUGH), address, slow, _run_length(i, count, chosen))
            since = i
        fresh = 0 if stencil else 1
        at = _copy(m, at, stencil if stencil else interpreted, address, slow, i - since)
        if aside_too:
            slow = _copy(m, slow, interpreted, address, 0, i - since)


@jitted
def _run_length(first: int, count: int, chosen: int) -> int:
    """Instructions from `first` up to and with one that is the interpreter's. FALL counts like one: whatever it leads
    to wants at least one to be left."""
    for i in range(first, count):
        if peek64(chosen + (i << 3)) == 0:
            return i - first + 1
    return count - first


@jitted
def _enter(m: Machine, ops: int, count: int, chosen: int, start: int) -> None:
    """Lead the interpreter into what has been copied: at the beginning, and behind each Op that is the interpreter's.
    Afterwards the Ops there have lost their numbers."""
    at = start
    fresh = 1
    for i in range(count):
        stencil = peek64(chosen + (i << 3))
        if fresh:
            op_at(ops + i * OP_BYTES).handler = at + m.copies_run - m.copies
            at += code_bytes(special(m, ENOUGH))
        fresh = 0 if stencil else 1
        at += code_bytes(stencil if stencil else special(m, INTERPRETED))


@jitted
def _copy(m: Machine, at: int, stencil: int, op: int, slow: int, number: int) -> int:
    """`at`: where to, as it is written; `slow`: the Op's way aside; `number`: for COUNT, or how many are done. Returns
    where the next one comes."""
    size, holes = peek64(stencil), peek64(stencil + 8)
    code = stencil + STENCIL_BYTES + (holes << 3)
    copied = 0
    while copied + 8 <= size:
        poke64(at + copied, peek64(code + copied))
        copied += 8
    while copied < size:
        poke8(at + copied, peek8(code + copied))
        copied += 1
    for i in range(holes):
        hole = peek64(stencil + STENCIL_BYTES + (i << 3))
        kind, place = hole >> 32, at + (hole & M32)
        if kind < WIDE_FIELDS:
            poke32(place, peek32(op + DISP_AT + (kind << 2)))
        elif kind < FIELDS:
            poke32(place, peek8(op + LENGTH_AT + kind - WIDE_FIELDS))
        elif kind < AFTER:
            poke8(place, (peek8(place) + _small(op, kind, number)) & M8)
        elif kind == AFTER:
            e = op_at(op)
            poke32(place, int(e.at) + int(e.length))
        elif kind == TARGET:
            e = op_at(op)
            poke32(place, (int(e.at) + int(e.length) + int(e.imm)) & M32)
        elif kind == OPERATION:
            poke64(place, op)
        elif kind == LINK:
            poke64(place, int(op_at(op).link))
        elif kind == HANDLER:
            poke64(place, int(op_at(op).handler))
        elif kind == HELPERS:
            poke64(place, m.helpers)
        elif kind == NEXT:
            poke32(place, (at + size - place - 4) & M32)
        elif kind == SLOW:
            poke32(place, (slow - place - 4) & M32)
        else:
            poke32(place, (m.copies - place - 4) & M32)  # PAUSE
    return at + size


@inlined
def _small(op: int, kind: int, number: int) -> int:
    if kind < LOW_PLACES:
        return peek8(op + A_AT + kind - FIELDS) << 3
    if kind < COUNT:
        return peek8(op + A_AT + kind - LOW_PLACES) << 3
    if kind == COUNT:
        return number
    return -number if kind == DONE else -number - 1
