"""Copy a block's stencils, one behind another, and fill their holes: tens of nanoseconds an instruction.

    entry         count the entry; hot blocks are noted                      ← the handler of the block's first Op
    enough        is it the mode that stencils are for, and budget enough?   ← the handler of the second
    stencil …     an Op each; one that has no stencil is left to the interpreter's handler, and behind it comes
                  `enough` again, which is now the handler of the following Op
    aside …       for each Op that may need a slow path the way to the interpreter's handler

In front of all lies `paused`, where whatever has used up the budget goes. What is copied belongs to its block: nothing
leads here when the block's first Op is DEAD, and `forget_all` empties the arena.
"""

from node.ia32.blocks import AGAIN_AFTER, ENTRY_HANDLER, MOST_OPS, block_numbered, handler_numbered, note, op_at
from node.ia32.holding import executed
from node.ia32.state import M8, M32, OP_BYTES, Cpu, Machine, Op
from node.jit.stencils import kinds
from node.jit.stencils.choosing import choose, code_bytes, is_sometimes_slow, special
from node.jit.stencils.kinds import ENOUGH, ENTRY, INTERPRETED, PAUSED, WIDE_FIELDS
from node.jitted import inlined, jitted, peek8, peek32, peek64, poke8, poke32, poke64

COUNT, DONE, AFTER, TARGET, OPERATION, LINK, HANDLER, HELPERS, NEXT, SLOW = (
    kinds.HOLES.index(getattr(kinds, hole))
    for hole in (
        *("COUNT", "DONE", "AFTER", "TARGET"),
        *("OPERATION", "LINK", "HANDLER", "HELPERS", "NEXT", "SLOW"),
    )
)
FIELDS, LOW_PLACES = len(kinds.FIELDS), len(kinds.FIELDS) + len(kinds.PLACES)
BEHIND = LOW_PLACES + len(kinds.LOW_PLACES)
STENCIL_BYTES = 24  # in front of its holes
DISP_AT, LENGTH_AT, A_AT = 16, 24, 26  # in an Op: its fields lie in the order of kinds.FIELDS
CHOSEN_BYTES = 8 * (MOST_OPS + 1)  # the arena's end


@jitted
def warm(c: Cpu, m: Machine, e: Op) -> None:
    """The interpreter has entered the block that `e` begins some times more: copy it if it is soon come back to, and
    note it when that is due. Other code has left the host's caches by then, and is the shortest as it was decoded; a
    region is the longest."""
    entries = (m.look_mask & M32) + 1
    away = _away(c, m, e)
    if away <= m.copy_within * entries and m.stencils:
        copy_block(m, int(e.imm))
    if int(e.disp) == 0:
        if away <= m.note_within * entries:
            note(c, m, e)
        else:
            e.disp = AGAIN_AFTER


@jitted
def due(c: Cpu, m: Machine, e: Op) -> None:
    """A copied block's note is due: it has been entered as often as that takes."""
    entries = m.patience if int(e.a) else m.glance
    if _away(c, m, e) <= m.note_within * entries:
        note(c, m, e)
    else:
        e.disp = entries


@inlined
def _away(c: Cpu, m: Machine, e: Op) -> int:
    """Instructions that have been executed since the block was looked at last. Native code must have told m.left."""
    block = block_numbered(m, int(e.imm))
    present = executed(c, m)
    away = present - block.looked
    block.looked = present
    return away


@jitted
def copy_block(m: Machine, number: int) -> None:
    """Copy the block with this number, unless there is no room (`is_full` sees that soon) or it has been copied."""
    block = block_numbered(m, number)
    if op_at(block.ops).handler != handler_numbered(m, ENTRY_HANDLER):
        return
    ops = block.ops + OP_BYTES
    chosen = m.copies + m.copies_bytes - CHOSEN_BYTES
    count = choose(m, ops, chosen)
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
    if kind < BEHIND:
        return peek8(op + A_AT + kind - LOW_PLACES) << 3
    if kind < COUNT:
        return peek8(op + (kind - BEHIND + 1) * OP_BYTES + A_AT) << 3
    if kind == COUNT:
        return number
    return -number if kind == DONE else -number - 1
