"""Instructions that no block can hold: they lie on two pages, or come near their segment's limit.

One that lies on two pages is remembered by its bytes, which are compared each time. What is decoded is a function of
them alone, so nobody need be told when either page is written or mapped anew. Only the links of branches are not, which
`forget_all` ends with all that they lead to. There is room for one on each page's end:

    spans[first page mod SPANS]     key of the block that would begin there (0: nothing), the instruction's bytes
    ops[2 * that]                   its Op, and the FALL behind it
"""

from node.ia32.access import FAULTED, NOWHERE, fetch_page
from node.ia32.blocks import FALL_HANDLER, PLACE, SPAN_BYTES, SPANS, handler_numbered, op_at
from node.ia32.decode import MOST, NEED_MORE, TOO_LONG, decode
from node.ia32.faults import general_protection
from node.ia32.state import CS, M32, OP_BYTES, Cpu, Machine
from node.jitted import inlined, jitted, peek8, peek64, poke8, poke64

UNKNOWN = 0


@inlined
def _span(m: Machine, key: int) -> int:
    return m.spans + (key >> 12 & (SPANS - 1)) * SPAN_BYTES


@inlined
def _ops(m: Machine, key: int) -> int:
    return m.ops + (key >> 12 & (SPANS - 1)) * 2 * OP_BYTES


@jitted
def recall(c: Cpu, m: Machine, linear: int, key: int) -> int:
    """Address of the Op at `linear`, which lies at `key`, if it is one that is remembered; UNKNOWN; or FAULTED, if what
    its second page holds cannot be fetched and a fault was raised."""
    span, ops = _span(m, key), _ops(m, key)
    if peek64(span) != key:
        return UNKNOWN
    offset = key & PLACE
    room = 4096 - (offset & 0xFFF)
    length = int(op_at(ops + OP_BYTES).at)
    if not _is_same(m.ram + offset, span + 8, room):
        return UNKNOWN
    page = fetch_page(c, m, (linear & ~0xFFF) + 4096 & M32)
    if page == FAULTED:
        return FAULTED
    if page == NOWHERE or not _is_same(m.ram + page, span + 8 + room, length - room):
        return UNKNOWN
    return ops


@jitted
def _is_same(one: int, other: int, length: int) -> bool:
    i = 0
    while i < length and peek8(one + i) == peek8(other + i):
        i += 1
    return i == length


@jitted
def decode_alone(c: Cpu, m: Machine, linear: int, key: int, wide: int) -> int:
    """One instruction, and FALL behind it; 0 when a fault was raised."""
    span, ops = _span(m, key), _ops(m, key)
    poke64(span, 0)
    offset = key & PLACE
    room = 4096 - (offset & 0xFFF)
    allowed = min(c.limit[CS] - c.eip + 1, MOST)
    have = min(room, allowed)
    for i in range(have):
        poke8(m.decode_buffer + i, peek8(m.ram + offset + i))
    e = op_at(ops)
    length = decode(m, e, m.decode_buffer, have, wide)
    if length == NEED_MORE and room < allowed:
        page = fetch_page(c, m, (linear & ~0xFFF) + 4096 & M32)
        if page == FAULTED:
            return 0
        for i in range(have, allowed):
            byte = 0xFF if page == NOWHERE else peek8(m.ram + page + i - have)
            poke8(m.decode_buffer + i, byte)
        length = decode(m, e, m.decode_buffer, allowed, wide)
        if length >= 0 and page != NOWHERE and c.limit[CS] == M32:
            _remember(m, span, key)
    if length == NEED_MORE or length == TOO_LONG:
        general_protection(m, 0)  # beyond the limit, or more than 15 bytes
        return 0
    e.at = 0
    fall = op_at(ops + OP_BYTES)
    fall.handler = handler_numbered(m, FALL_HANDLER)
    fall.link = 0
    fall.at = length & 0xFF
    fall.length = 0
    fall.seg = 0
    return ops


@inlined
def _remember(m: Machine, span: int, key: int) -> None:
    poke64(span, key)
    for i in range(MOST):
        poke8(span + 8 + i, peek8(m.decode_buffer + i))
