"""From CS:EIP to the first Op of a decoded block: look it up, or decode it now.

The rules of instruction fetch live here: the code segment's limit, page faults on fetch, instructions that span two
pages.
"""

from node.ia32.access import FAULTED, NOWHERE, fetch_page
from node.ia32.blocks import (
    BLOCKS_CAPACITY,
    ENTRY_HANDLER,
    FALL_HANDLER,
    JUMP_BYTES,
    JUMPS,
    MOST_BYTES,
    MOST_OPS,
    OPS_CAPACITY,
    REGION_KEY,
    SCRATCH_OPS,
    block_numbered,
    dead_handler,
    handler_numbered,
    lookup,
    op_at,
    remember,
)
from node.ia32.decode import MOST, decode
from node.ia32.faults import general_protection, undefined
from node.ia32.joining import join
from node.ia32.spanning import UNKNOWN, decode_alone, recall
from node.ia32.state import ATTR_D, CS, M32, MODE_CODE, OP_BYTES, Cpu, Machine, Op
from node.ia32.tlb import entry_of, protect_backing
from node.jitted import inlined, jitted, peek8, peek64, poke64

WIDE_KEY, LIMITED_KEY = 1 << 40, 1 << 41


@jitted
def find(c: Cpu, m: Machine) -> int:
    """Address of the Op at CS:EIP; 0 when a fault was raised or the arenas are full (`is_full`)."""
    if c.eip > c.limit[CS]:
        general_protection(m, 0)
        return 0
    linear = (c.base[CS] + c.eip) & M32
    page = fetch_page(c, m, linear)
    if page < 0:
        if page == NOWHERE:
            undefined(m)  # open bus reads FF FF, which is no instruction
        return 0
    offset = page + (linear & 0xFFF)
    wide = 1 if c.attr[CS] & ATTR_D else 0
    key = offset | (WIDE_KEY if wide else 0) | (0 if c.limit[CS] == M32 else LIMITED_KEY)
    if linear & 0xFFF > 4096 - MOST:
        ops = recall(c, m, linear, key)
        if ops != UNKNOWN:
            return 0 if ops == FAULTED else ops
    number = lookup(m, key)
    if number == 0:
        if is_full(m):
            return 0
        number = _decode_block(m, key, offset, wide)
        if number == 0:
            return decode_alone(c, m, linear, key, wide)
    block = block_numbered(m, number)
    if c.limit[CS] != M32 and c.eip + block.length - 1 > c.limit[CS]:
        return decode_alone(c, m, linear, key, wide)
    return block.ops


@inlined
def is_lasting(m: Machine, address: int) -> bool:
    """Whether the Op at `address`, that was found, is a block's: one that lies there as long as it is not DEAD."""
    return address >= m.ops + SCRATCH_OPS * OP_BYTES


@jitted
def find_jump(c: Cpu, m: Machine) -> int:
    """The same, and remember it: native code looks into `m.jumps` first. An entry is (linear address, Machine.mode, the
    page's TLB entry, address of the Op) and holds as long as these are the same and the Op is not dead. What is in its
    place moves to the one beside it, on the same line of the host's cache, and back when it is asked for here."""
    linear = (c.base[CS] + c.eip) & M32
    slot = jump_slot(linear)
    first, second = m.jumps + slot, m.jumps + (slot ^ JUMP_BYTES)
    if _is_known(m, second, linear):
        for at in range(0, JUMP_BYTES, 8):
            one, other = peek64(first + at), peek64(second + at)
            poke64(first + at, other)
            poke64(second + at, one)
        return peek64(first + 24)
    address = find(c, m)
    if is_lasting(m, address) and m.mode & MODE_CODE:
        for at in range(0, JUMP_BYTES, 8):
            poke64(second + at, peek64(first + at))
        poke64(first, linear)
        poke64(first + 8, m.mode)
        poke64(first + 16, entry_of(m, linear))
        poke64(first + 24, address)
    return address


@inlined
def find_again(c: Cpu, m: Machine) -> int:
    """The same for who has not looked."""
    linear = (c.base[CS] + c.eip) & M32
    first = m.jumps + jump_slot(linear)
    return peek64(first + 24) if _is_known(m, first, linear) else find_jump(c, m)


@inlined
def jump_slot(linear: int) -> int:
    return ((linear ^ (linear >> 12)) & (JUMPS - 1)) * JUMP_BYTES


@inlined
def _is_known(m: Machine, at: int, linear: int) -> bool:
    """Whether the entry at `at` tells where `linear` leads."""
    if peek64(at) != linear or peek64(at + 8) != m.mode or peek64(at + 16) != entry_of(m, linear):
        return False
    address = peek64(at + 24)
    return address != 0 and op_at(address).handler != dead_handler(m)


@jitted
def is_full(m: Machine) -> bool:
    return m.blocks_used >= BLOCKS_CAPACITY - 1 or m.ops_used + MOST_OPS + 3 > OPS_CAPACITY or m.copies_full != 0


@jitted
def _decode_block(m: Machine, key: int, offset: int, wide: int) -> int:
    """Decode from `offset` to the block's end and remember it; 0 if not even one instruction lies whole on this
    page."""
    entry = m.ops + m.ops_used * OP_BYTES
    ops = entry + OP_BYTES
    room = 4096 - (offset & 0xFFF)
    at = 0
    count = 0
    ended = 0
    while ended == 0 and count < MOST_OPS and at < MOST_BYTES:
        e = op_at(ops + count * OP_BYTES)
        length = decode(m, e, m.ram + offset + at, min(room - at, MOST), wide)
        if length < 0:
            break
        e.at = at
        at += length & 0xFF
        ended = length >> 8
        count += 1
    if count == 0:
        return 0
    if m.pairs:
        join(m, ops, count)
    fall = op_at(ops + count * OP_BYTES)
    fall.handler = handler_numbered(m, FALL_HANDLER)
    fall.link = 0
    fall.at = at
    fall.length = 0
    fall.seg = 0
    m.ops_used += count + 2
    m.blocks_decoded += 1
    if peek8(m.code + (offset >> 12)) == 0:
        protect_backing(m, offset)
    remember(m, key, entry, at)
    _enter_entry(m, op_at(entry), m.blocks_used)
    return m.blocks_used


@jitted
def _enter_entry(m: Machine, e: Op, number: int) -> None:
    """The block's first Op: see blocks.py."""
    e.handler = handler_numbered(m, ENTRY_HANDLER)
    e.link = 0
    e.disp = m.glance
    e.a = 0
    e.imm = number
    e.length = 0
    e.at = 0
    e.seg = 0


@jitted
def add_piece(m: Machine, whole: int, offset: int, length: int) -> None:
    """Bytes from which the translation of block number `whole` was made: a store there ends it."""
    if peek8(m.code + (offset >> 12)) == 0:
        protect_backing(m, offset)
    remember(m, offset | REGION_KEY, block_numbered(m, whole).ops, length)
    block_numbered(m, m.blocks_used).whole = whole
