"""Bytes → Op, driven by the table that `encodings.py` packs. What the bytes mean is not known here.

    prefixes*  opcode (1 or 2 bytes)  [modrm [sib] [disp]]  [imm]        at most 15 bytes (SDM 2A 2.1)

The table has one 8-byte entry for each (opcode map, opcode, modrm.reg, 16-bit operand size):

    bytes 0-1 handler for a register operand   2-3 handler for a memory operand   4 immediate kind   5 flags

Where a mandatory prefix is part of the opcode (SDM 2A 2.1.2), the entry of modrm.reg 0 leads to a group of 32 entries
instead, one for each (no prefix, 66, F3, F2; modrm.reg); F2 and F3 go before 66.

A handler of UNDEFINED_HANDLER raises #UD when it is executed, not here.
"""

from node.ia32.blocks import UNDEFINED_HANDLER, handler_numbered
from node.ia32.state import CS, DS, EBP, EBX, EDI, ES, ESI, ESP, FS, GS, LOCK, M32, NO_REG, REP, REPNE, SS, Machine, Op
from node.jitted import inlined, jitted, peek8, peek16, peek32

IMM_NONE, IMM_B, IMM_BS, IMM_W, IMM_Z, IMM_WB, IMM_FAR, IMM_JB, IMM_JZ, IMM_OFFSET = range(10)
# BY_RM: the handler is the number of a group of 8 table entries; BY_PREFIX: of one of 32
HAS_MODRM, ENDS, LOCKABLE, REGISTER_ONLY, BY_RM, BY_PREFIX = 1, 2, 4, 8, 16, 32

NEED_MORE = -1  # the instruction goes on beyond the bytes at hand
TOO_LONG = -2
MOST = 15


@inlined
def table_index(opcode: int, reg: int, narrow: int) -> int:
    """`opcode`: 0-255, or 256 + the second byte of a 0F opcode; `narrow`: 1 for 16-bit operands."""
    return ((opcode << 3) | reg) << 1 | narrow


RM_TABLE = 512 * 16  # entries for /n:rm encodings follow the main table
PREFIX_TABLE = RM_TABLE + 64 * 8  # and those that a mandatory prefix chooses follow these
PREFIXED_ENTRIES = 4 * 8


@inlined
def segment_of_prefix(byte: int) -> int:
    if byte == 0x2E:
        return CS
    if byte == 0x36:
        return SS
    if byte == 0x3E:
        return DS
    if byte == 0x26:
        return ES
    if byte == 0x64:
        return FS
    if byte == 0x65:
        return GS
    return -1


# What `_prefixes` packs into one int: its bytes, then these
_MARKS_SHIFT, _SEG_SHIFT, _NARROW_OPERAND, _NARROW_ADDRESS = 8, 16, 1 << 24, 1 << 25


@jitted
def _prefixes(code: int, available: int, wide: int) -> int:
    """Read prefixes: how many bytes, REP and LOCK marks, segment + 1 (0: none), and the sizes they leave; -1 when the
    bytes at hand hold nothing else."""
    at, seg, marks = 0, -1, 0
    operand = address = 0 if wide else 1
    while at < available and at < MOST:
        byte = peek8(code + at)
        if byte == 0x66:
            operand = wide
        elif byte == 0x67:
            address = wide
        elif byte == 0xF0:
            marks |= LOCK
        elif byte == 0xF3:
            marks = (marks & ~REPNE) | REP
        elif byte == 0xF2:
            marks = (marks & ~REP) | REPNE
        elif segment_of_prefix(byte) >= 0:
            seg = segment_of_prefix(byte)
        else:
            sizes = (_NARROW_OPERAND if operand else 0) | (_NARROW_ADDRESS if address else 0)
            return at | marks << _MARKS_SHIFT | (seg + 1) << _SEG_SHIFT | sizes
        at += 1
    return -1


@jitted
def decode(m: Machine, e: Op, code: int, available: int, wide: int) -> int:
    """Decode the instruction at address `code` into `e`. `wide`: CS.D. Returns its length; whether it ends a block is
    bit 8 of the result. NEED_MORE or TOO_LONG otherwise."""
    short = NEED_MORE if available < MOST else TOO_LONG
    prefixes = _prefixes(code, available, wide)
    if prefixes < 0:
        return short
    at = prefixes & 0xFF
    marks, seg = (prefixes >> _MARKS_SHIFT) & 0xFF, ((prefixes >> _SEG_SHIFT) & 0xFF) - 1
    narrow_operand, narrow_address = 1 if prefixes & _NARROW_OPERAND else 0, 1 if prefixes & _NARROW_ADDRESS else 0
    opcode = peek8(code + at)
    at += 1
    if opcode == 0x0F:
        if at >= available:
            return short
        opcode = 256 + peek8(code + at)
        at += 1
    _clear(e, opcode & 7, narrow_address)
    entry = m.encodings + (table_index(opcode, 0, narrow_operand) << 3)
    flags = peek8(entry + 5)
    stride = 16
    if flags & BY_PREFIX:
        entry = m.encodings + (_group(peek16(entry), marks, 1 if narrow_operand == wide else 0) << 3)
        flags = flags & HAS_MODRM | peek8(entry + 5)
        stride = 8
    register, default_seg = 1, DS
    if flags & HAS_MODRM:
        if at >= available:
            return short
        modrm = peek8(code + at)
        at += 1
        reg, rm = (modrm >> 3) & 7, modrm & 7
        entry += reg * stride
        flags = peek8(entry + 5)
        e.a = reg
        e.b = rm
        e.imm = (opcode & 7) << 8 | modrm  # what x87 keeps as FOP; a real immediate overwrites it
        if modrm < 0xC0 and flags & REGISTER_ONLY == 0:
            register = 0
            need = _address_bytes(code + at, modrm, narrow_address, available - at)
            if need < 0:
                return short
            default_seg = _address(e, code + at, modrm, narrow_address)
            at += need
        elif flags & BY_RM:
            entry = m.encodings + ((RM_TABLE + peek16(entry) * 8 + rm) << 3)
            flags = peek8(entry + 5) | HAS_MODRM
    at = _immediate(e, code, at, peek8(entry + 4), narrow_operand, narrow_address, available)
    if at < 0:
        return short
    if at > MOST:
        return TOO_LONG
    handler = peek16(entry) if register else peek16(entry + 2)
    if marks & LOCK and (flags & LOCKABLE == 0 or register):
        handler = UNDEFINED_HANDLER
    e.seg = (default_seg if seg < 0 else seg) | marks
    e.length = at
    e.handler = handler_numbered(m, handler)
    return at | (256 if flags & ENDS or handler == UNDEFINED_HANDLER else 0)


@inlined
def _group(number: int, marks: int, operand_prefix: int) -> int:
    """The first of the eight table entries for the prefix that counts as part of the opcode: F2, F3, 66, or none."""
    prefix = 3 if marks & REPNE else 2 if marks & REP else operand_prefix
    return PREFIX_TABLE + number * PREFIXED_ENTRIES + prefix * 8


@inlined
def _clear(e: Op, register: int, narrow_address: int) -> None:
    """An Op without modrm and immediate; `register`: the opcode's low bits."""
    e.a = register
    e.b = register
    e.base = NO_REG
    e.index = NO_REG
    e.scale = narrow_address << 2
    e.disp = 0
    e.imm = 0
    e.link = 0


@inlined
def _address_bytes(code: int, modrm: int, narrow: int, available: int) -> int:
    """SIB and displacement bytes that follow this modrm; -1 if they are not all at hand."""
    mod, rm = modrm >> 6, modrm & 7
    need = 0
    if narrow:
        if mod == 1:
            need = 1
        elif mod == 2 or (mod == 0 and rm == 6):
            need = 2
    else:
        if rm == 4:
            if available < 1:
                return -1
            need = 1
            if mod == 0 and peek8(code) & 7 == 5:
                need = 5
        elif mod == 0 and rm == 5:
            need = 4
        if mod == 1:
            need += 1
        elif mod == 2:
            need += 4
    return need if need <= available else -1


@jitted
def _address(e: Op, code: int, modrm: int, narrow: int) -> int:
    """Fill the address fields (SDM 2A tables 2-1 to 2-3); the result is the default segment."""
    mod, rm = modrm >> 6, modrm & 7
    if narrow:
        return _address_16(e, code, mod, rm)
    at = code
    base = rm
    if rm == 4:
        sib = peek8(at)
        at += 1
        base = sib & 7
        index = (sib >> 3) & 7
        e.index = NO_REG if index == 4 else index
        e.scale = sib >> 6
    if mod == 0 and base == 5:
        e.disp = peek32(at)
        return DS
    e.base = base
    if mod == 1:
        e.disp = (peek8(at) ^ 0x80) - 0x80 & M32
    elif mod == 2:
        e.disp = peek32(at)
    return SS if base == ESP or base == EBP else DS


@jitted
def _address_16(e: Op, code: int, mod: int, rm: int) -> int:
    if mod == 1:
        e.disp = (peek8(code) ^ 0x80) - 0x80 & M32
    elif mod == 2 or (mod == 0 and rm == 6):
        e.disp = peek16(code)
    if mod == 0 and rm == 6:
        return DS
    if rm < 2 or rm == 7:
        e.base = EBX
    elif rm == 2 or rm == 3 or rm == 6:
        e.base = EBP
    elif rm == 4:
        e.base = ESI
    else:
        e.base = EDI
    if rm < 4:
        e.index = ESI if rm & 1 == 0 else EDI
    return SS if rm == 2 or rm == 3 or rm == 6 else DS


@jitted
def _immediate(e: Op, code: int, at: int, kind: int, narrow: int, narrow_address: int, available: int) -> int:
    """Read the immediate; returns the offset behind it, or -1."""
    if kind == IMM_NONE:
        return at
    mask = 0xFFFF if narrow else M32
    if kind == IMM_B or kind == IMM_BS or kind == IMM_JB:
        if at + 1 > available:
            return -1
        byte = peek8(code + at)
        if kind == IMM_BS:
            byte = (byte ^ 0x80) - 0x80 & mask
        elif kind == IMM_JB:
            byte = (byte ^ 0x80) - 0x80 & M32
        e.imm = byte
        return at + 1
    if kind == IMM_W or kind == IMM_WB:
        end = at + 2 + (1 if kind == IMM_WB else 0)
        if end > available:
            return -1
        e.imm = peek16(code + at)
        if kind == IMM_WB:
            e.disp = peek8(code + at + 2)
        return end
    if kind == IMM_OFFSET:
        size = 2 if narrow_address else 4
    else:
        size = 2 if narrow else 4
    end = at + size + (2 if kind == IMM_FAR else 0)
    if end > available:
        return -1
    value = peek16(code + at) if size == 2 else peek32(code + at)
    if kind == IMM_OFFSET:
        e.disp = value
    elif kind == IMM_JZ and size == 2:
        e.imm = (value ^ 0x8000) - 0x8000 & M32
    else:
        e.imm = value
    if kind == IMM_FAR:
        e.disp = peek16(code + at + size)
    return end
