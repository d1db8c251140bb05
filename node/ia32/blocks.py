"""Decoded code: blocks of Ops found by where their bytes lie in backing memory, and how they die.

A block starts where execution arrived and ends with a control transfer, at its page's end, or when it is full; it
never spans two pages. It is keyed by (backing offset, default operand size, whether CS has a limit: linked blocks are
entered without looking at it), so every linear mapping of a page shares it and no page-table change can make it stale:
only a store to its bytes can. Then `code_written` turns its first Op into DEAD, which hands control back; links of
other blocks that still point there run into the same DEAD. Nothing is freed singly: when an arena is full, `forget_all`
drops everything.

The first Op executes nothing: it counts how often the block is entered (in `disp`, down to each of its two notes; `a`
is how many there have been), and where the block has been translated it holds the translation's address.

    block_table[hash(key)] → block → next in bucket          page_blocks[page] → block → next on page
"""

from node.ia32.state import CS, LEAVE_AFTER, M32, OP, OP_BYTES, Cpu, Machine, Op
from node.jitted import (
    I64,
    Touch,
    inlined,
    jitted,
    peek32,
    peek64,
    poke8,
    poke32,
    poke64,
    primitive,
    record_at,
    record_dtype,
)

TABLE_BITS = 17
BLOCKS_CAPACITY = 1 << 17
OPS_CAPACITY = 1 << 20
SPAN_BYTES, SPANS = 24, 1024
SCRATCH_OPS = 2 * SPANS  # the arena's first Ops are those of instructions that no block can hold (spanning.py)
MOST_OPS, MOST_BYTES = 48, 200

UNDEFINED_HANDLER, FALL_HANDLER, DEAD_HANDLER, ENTRY_HANDLER, FIRST_HANDLER = 0, 1, 2, 3, 4
AGAIN_AFTER = 64  # executions
TRANSLATED_HEAT = 1 << 32
NOTE_BYTES, NOTES_CAPACITY = 24, 256  # a note: block number, linear address, Machine.mode
PLACE = (1 << 40) - 1  # of a block's key: the backing offset
REGION_KEY = 1 << 42
JUMP_BYTES, JUMPS = 32, 1 << 16


class Block:
    key: I64  # backing offset of the first byte | (1 << 40 for 32-bit code) | (1 << 41 when CS has a limit)
    ops: I64  # address of the first Op
    length: I64  # bytes of code
    bucket_next: I64  # block index + 1
    page_next: I64
    whole: I64  # number of the block that dies with this one, which is a piece of its translation; 0: none
    looked: I64  # instructions that had been executed when it was last looked at


BLOCK = record_dtype(Block)
BLOCK_BYTES = BLOCK.itemsize


_POINTER = "%p = inttoptr i64 %0 to ptr\nret ptr %p"


@primitive(arguments=("i64",), result="op", llvm=_POINTER, touches=(Touch("%0", OP_BYTES),))
def op_at(address: int) -> Op:
    return record_at(address, OP)  # type: ignore[no-any-return]


@primitive(arguments=("i64",), result="block", llvm=_POINTER, touches=(Touch("%0", BLOCK_BYTES),))
def block_at(address: int) -> Block:
    return record_at(address, BLOCK)  # type: ignore[no-any-return]


@inlined
def block_numbered(m: Machine, index: int) -> Block:
    """`index` counts from 1; 0 is nobody."""
    return block_at(m.blocks + (index - 1) * BLOCK_BYTES)


@inlined
def bucket_of(key: int) -> int:
    return ((key ^ (key >> 17) ^ (key >> 40)) & ((1 << TABLE_BITS) - 1)) << 2


@jitted
def lookup(m: Machine, key: int) -> int:
    """Number of the live block with this key, or 0."""
    index = peek32(m.block_table + bucket_of(key))
    while index:
        block = block_numbered(m, index)
        if block.key == key:
            return index
        index = block.bucket_next
    return 0


@jitted
def remember(m: Machine, key: int, ops: int, length: int) -> None:
    """Enter a freshly decoded block, or a piece of a translation; its bytes' chunks become code."""
    m.blocks_used += 1
    block = block_numbered(m, m.blocks_used)
    bucket = m.block_table + bucket_of(key)
    page = (key & PLACE) >> 12
    block.key = key
    block.ops = ops
    block.length = length
    block.whole = 0
    block.looked = 0
    block.bucket_next = peek32(bucket)
    block.page_next = peek32(m.page_blocks + (page << 2))
    poke32(bucket, m.blocks_used)
    poke32(m.page_blocks + (page << 2), m.blocks_used)
    poke8(m.code + page, 1)
    chunks = m.code_chunks + (page << 2)
    poke32(chunks, peek32(chunks) | chunk_mask(key & 0xFFF, length))


@inlined
def chunk_mask(offset: int, length: int) -> int:
    """The 128-byte chunks that [offset, offset + length) touches, clipped to the page, as bits."""
    first, last = offset >> 7, (offset + length - 1) >> 7
    if last > 31:
        last = 31
    return ((1 << (last + 1)) - 1) & ~((1 << first) - 1)


@jitted
def code_written(m: Machine, offset: int, size: int) -> None:
    """A store of `size` bytes at a backing offset on a page with code: kill the blocks it overlaps (SDM 3A 11.6)."""
    page = offset >> 12
    if peek32(m.code_chunks + (page << 2)) & chunk_mask(offset & 0xFFF, size) == 0:
        return
    m.code_writes += 1
    kept_chunks = 0
    kept = 0  # the surviving list, rebuilt back to front
    index = peek32(m.page_blocks + (page << 2))
    while index:
        block = block_numbered(m, index)
        following = block.page_next
        start = block.key & PLACE
        if start < offset + size and offset < start + block.length:
            kill(m, index)
        else:
            kept_chunks |= chunk_mask(start & 0xFFF, block.length)
            block.page_next = kept
            kept = index
        index = following
    poke32(m.page_blocks + (page << 2), kept)
    poke32(m.code_chunks + (page << 2), kept_chunks)
    if kept == 0:
        poke8(m.code + page, 0)


@jitted
def kill(m: Machine, index: int) -> None:
    """Make a block hand control back for good, and the one of whose translation it is a piece; the running one
    finishes its instruction."""
    whole = block_numbered(m, index).whole
    if whole:
        _kill(m, whole)
    _kill(m, index)


@jitted
def _kill(m: Machine, index: int) -> None:
    """Take it out of the hash table, unless that has been done before."""
    block = block_numbered(m, index)
    bucket = m.block_table + bucket_of(block.key)
    at = peek32(bucket)
    if at == index:
        poke32(bucket, block.bucket_next)
    else:
        while at:
            previous = block_numbered(m, at)
            if previous.bucket_next == index:
                previous.bucket_next = block.bucket_next
                break
            at = previous.bucket_next
    op = op_at(block.ops)
    op.handler = dead_handler(m)
    if m.leave == 0:
        m.leave = LEAVE_AFTER  # the running block may be this one


@inlined
def dead_handler(m: Machine) -> int:
    return handler_numbered(m, DEAD_HANDLER)


@inlined
def handler_numbered(m: Machine, number: int) -> int:
    """What goes into Op.handler: the table holds numbers for plain Python and addresses for native code."""
    return peek64(m.handlers + (number << 3))


@jitted
def forget_all(m: Machine) -> None:
    """Empty both arenas; no Op address survives this, links of branches on two pages included."""
    for i in range(m.blocks_used):
        block = block_numbered(m, i + 1)
        page = (block.key & PLACE) >> 12
        poke32(m.block_table + bucket_of(block.key), 0)
        poke32(m.page_blocks + (page << 2), 0)
        poke32(m.code_chunks + (page << 2), 0)
        poke8(m.code + page, 0)
    for i in range(JUMPS):
        poke64(m.jumps + i * JUMP_BYTES + 24, 0)
    for i in range(SPANS):
        poke64(m.spans + i * SPAN_BYTES, 0)
    m.blocks_used = 0
    m.notes_used = 0
    m.ops_used = SCRATCH_OPS
    m.copies_used = m.copies_full = 0


@jitted
def note(c: Cpu, m: Machine, e: Op) -> None:
    """The block that `e` begins is warm, or hot: tell the translator, or try again later when its list is full."""
    if m.notes_used >= NOTES_CAPACITY:
        e.disp = AGAIN_AFTER
        return
    at = m.notes + m.notes_used * NOTE_BYTES
    poke64(at, int(e.imm))
    poke64(at + 8, (c.base[CS] + c.eip) & M32)
    poke64(at + 16, m.mode)
    m.notes_used += 1
    if int(e.a) == 0:
        e.disp = m.patience
    e.a = min(int(e.a) + 1, 2)


@jitted
def heat(m: Machine, key: int) -> int:
    """How often the block with this key has been entered by the interpreter; 0: never, and TRANSLATED_HEAT once it is
    translated, since nobody counts then. One that was seldom come back to when its note was due is counted anew. Also
    asked while the guest runs, when chains change under the reader: hence no loop without a bound."""
    index = peek32(m.block_table + bucket_of(key))
    for _ in range(64):
        if index == 0 or index > BLOCKS_CAPACITY:
            return 0
        block = block_numbered(m, index)
        if block.key == key:
            e = op_at(block.ops)
            if e.link:
                return TRANSLATED_HEAT
            begun = m.glance if int(e.a) == 0 else m.glance + m.patience
            return (begun - int(e.disp)) & M32  # the counter goes on below zero
        index = block.bucket_next
    return 0
