"""Which stencil an Op is copied from, by its kind, where its operand lies, its byte registers, and what is known of the
flags.

The table is read in the layout that `table.py` gives it.
"""

from node.ia32.blocks import ENTRY_HANDLER, FALL_HANDLER, handler_numbered, op_at
from node.ia32.joining import number_of
from node.ia32.semantics.stack_runs import MOST, may_run
from node.ia32.state import EBX, FS, GS, NO_REG, OP_BYTES, SS, Machine, Op
from node.jit.stencils import kinds
from node.jit.stencils.kinds import A_IS_BYTE, B_IS_BYTE, DIRECT, KEPT, LOW, MEMORY, NOTHING, UNKNOWN, WAYS, Way
from node.jitted import inlined, jitted, peek64, poke64

ROW_BYTES = 8 * (2 + WAYS)
BASE, BASE_INDEX, PLACE, IN_FS, IN_GS = (
    way.slot for way in (Way.BASE, Way.BASE_INDEX, Way.PLACE, Way.IN_FS, Way.IN_GS)
)
LINKED, SEARCHED = Way.LINKED.slot, Way.SEARCHED.slot
SEARCHED_AFTER = Way.SEARCHED_AFTER_SUB4.slot - Way.LINKED_AFTER_SUB4.slot
AFTER_SUB4, AFTER_SUB1, AFTER_LOGIC4 = (way.slot for way in (Way.AFTER_SUB4, Way.AFTER_SUB1, Way.AFTER_LOGIC4))
SUB4, SUB1, LOGIC4 = (kinds.FLAGS_OF[way] for way in (Way.AFTER_SUB4, Way.AFTER_SUB1, Way.AFTER_LOGIC4))
TWO = Way.TWO.slot
NOT_HERE = -1


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
    number = number_of(e)
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
def _run_of(m: Machine, at: int, number: int) -> int:
    """How many Ops from the one at `at`, of handler `number`, can be executed by one stencil."""
    if stencil_of(m, number, TWO) == 0:
        return 1
    length = 0
    while length < MOST:
        e = op_at(at + length * OP_BYTES)
        if number_of(e) != number or not may_run(int(e.a)):
            break
        length += 1
    return max(length, 1)


@jitted
def choose(m: Machine, ops: int, chosen: int) -> int:
    """The stencil for each Op of the block and for FALL, which comes last, as addresses at `chosen`; their number."""
    fall = handler_numbered(m, FALL_HANDLER)
    flags, count, ended = UNKNOWN, 0, 0
    while ended == 0:
        at = ops + count * OP_BYTES
        e = op_at(at)
        ended = 1 if int(e.handler) == fall else 0
        number = number_of(e)
        run = _run_of(m, at, number)
        stencil = stencil_for(m, e, flags) if run == 1 else stencil_of(m, number, TWO + run - 2)
        flags = flags_after(m, number, flags)
        poke64(chosen + (count << 3), stencil)
        for i in range(1, run):
            poke64(chosen + ((count + i) << 3), special(m, NOTHING))
        count += run
    return count
