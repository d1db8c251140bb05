"""EMMS, LDMXCSR, STMXCSR, FXSAVE, FXRSTOR, the fences and CLFLUSH (SDM 1, 10.5, 11.4.4; 2A).

The image of FXSAVE, 512 bytes at a multiple of 16:

    0 FCW   2 FSW   4 filled registers (a bit each)   6 FOP   8 FIP   12 FCS   16 FDP   20 FDS   24 MXCSR   28 its bits
    32  ST(0) to ST(7), 16 bytes each                160  XMM0 to XMM7                           288  left as it was

XMM registers and MXCSR are part of it only while CR4.OSFXSR is set.
"""

from node.ia32.access import load, probe, store
from node.ia32.faults import NO_ERROR, general_protection, raise_fault, undefined
from node.ia32.features import CLFSH, FXSR, MMX, SSE, SSE2
from node.ia32.operands import load_op, store_op
from node.ia32.rows import Row
from node.ia32.semantics.vector_state import X87_TOP, adopt, collect, mmx_ready, sse_ready
from node.ia32.semantics.x87_control import CONTROL_BITS, CONTROL_ONES
from node.ia32.semantics.x87_state import operand_linear, set_status, st
from node.ia32.state import CR0_EM, CR0_TS, CR4_OSFXSR, M16, M32, NM, Cpu, Machine, Op
from node.jitted import jitted, peek16, peek32, poke16, poke32

IMAGE_BYTES, STACK_AT, XMM_AT = 512, 32, 160


@jitted
def empty_mmx(c: Cpu, m: Machine, e: Op) -> None:
    """EMMS: the x87 registers are all empty again."""
    if mmx_ready(c, m):
        c.fsw = c.fsw & ~X87_TOP
        c.ftw = 0


@jitted
def load_mxcsr(c: Cpu, m: Machine, e: Op) -> None:
    if sse_ready(c, m):
        value = load_op(c, m, e, 4)
        if m.fault == 0:
            if value & ~m.mxcsr_bits:
                general_protection(m, 0)
            else:
                c.mxcsr = value
                adopt(c, m)


@jitted
def store_mxcsr(c: Cpu, m: Machine, e: Op) -> None:
    if sse_ready(c, m):
        collect(c, m)
        store_op(c, m, e, 4, c.mxcsr)


@jitted
def image_address(c: Cpu, m: Machine, e: Op, write: int) -> int:
    """The linear address of an image that can be accessed whole; m.fault is set otherwise."""
    if c.cr0 & CR0_EM:
        undefined(m)
    elif c.cr0 & CR0_TS:
        raise_fault(m, NM, NO_ERROR)
    if m.fault:
        return 0
    linear = operand_linear(c, m, e, IMAGE_BYTES, write)
    if m.fault == 0 and linear & 15:
        general_protection(m, 0)
    if m.fault == 0:
        probe(c, m, linear, IMAGE_BYTES, write)
    return linear


@jitted
def put(c: Cpu, m: Machine, linear: int, at: int, value: int) -> None:
    store(c, m, (linear + at) & M32, 4, value)


@jitted
def get(c: Cpu, m: Machine, linear: int, at: int) -> int:
    return load(c, m, (linear + at) & M32, 4)


@jitted
def save_image(c: Cpu, m: Machine, e: Op) -> None:
    """FXSAVE: pending exceptions stay pending, and the unit is not initialised."""
    linear = image_address(c, m, e, 1)
    if m.fault:
        return
    put(c, m, linear, 0, c.fcw | c.fsw << 16)
    put(c, m, linear, 4, c.ftw | c.fop << 16)
    put(c, m, linear, 8, c.fip)
    put(c, m, linear, 12, c.fcs)
    put(c, m, linear, 16, c.fdp)
    put(c, m, linear, 20, c.fds)
    for i in range(8):
        at, register = STACK_AT + (i << 4), st(c, m, i)
        put(c, m, linear, at, peek32(register))
        put(c, m, linear, at + 4, peek32(register + 4))
        put(c, m, linear, at + 8, peek16(register + 8))
        put(c, m, linear, at + 12, 0)
    if c.cr4 & CR4_OSFXSR and m.features & SSE:
        collect(c, m)
        put(c, m, linear, 24, c.mxcsr)
        put(c, m, linear, 28, m.mxcsr_bits)
        for i in range(32):
            put(c, m, linear, XMM_AT + (i << 2), int(c.xmm[i]))


@jitted
def restore_image(c: Cpu, m: Machine, e: Op) -> None:
    """FXRSTOR: a bit of MXCSR that does not exist is refused before anything changes."""
    linear = image_address(c, m, e, 0)
    with_xmm = c.cr4 & CR4_OSFXSR and m.features & SSE
    if m.fault == 0 and with_xmm and get(c, m, linear, 24) & ~m.mxcsr_bits:
        general_protection(m, 0)
    if m.fault:
        return
    words = get(c, m, linear, 0)
    c.fcw = (words & CONTROL_BITS) | CONTROL_ONES
    set_status(c, m, words >> 16)
    words = get(c, m, linear, 4)
    c.ftw = words & 0xFF
    c.fop = words >> 16 & 0x7FF
    c.fip = get(c, m, linear, 8)
    c.fcs = get(c, m, linear, 12) & M16
    c.fdp = get(c, m, linear, 16)
    c.fds = get(c, m, linear, 20) & M16
    for i in range(8):
        at, register = STACK_AT + (i << 4), st(c, m, i)
        poke32(register, get(c, m, linear, at))
        poke32(register + 4, get(c, m, linear, at + 4))
        poke16(register + 8, get(c, m, linear, at + 8) & M16)
    if with_xmm:
        c.mxcsr = get(c, m, linear, 24)
        adopt(c, m)
        for i in range(32):
            c.xmm[i] = get(c, m, linear, XMM_AT + (i << 2))


@jitted
def fence(c: Cpu, m: Machine, e: Op) -> None:
    """LFENCE, MFENCE, SFENCE: memory is in program order here anyway."""


@jitted
def flush_line(c: Cpu, m: Machine, e: Op) -> None:
    """CLFLUSH faults as a load of a byte does."""
    linear = operand_linear(c, m, e, 1, 0)
    if m.fault == 0:
        probe(c, m, linear, 1, 0)


ROWS = [
    Row("NP 0F 77", "", empty_mmx, faults="always", feature=MMX),
    Row("NP 0F AE /0", "M", save_image, faults="always", feature=FXSR),
    Row("NP 0F AE /1", "M", restore_image, faults="always", feature=FXSR),
    Row("NP 0F AE /2", "Md", load_mxcsr, faults="always", feature=SSE),
    Row("NP 0F AE /3", "Md", store_mxcsr, faults="always", feature=SSE),
    Row("NP 0F AE /5", "R", fence, faults="never", feature=SSE2),
    Row("NP 0F AE /6", "R", fence, faults="never", feature=SSE2),
    Row("NP 0F AE /7", "R", fence, faults="never", feature=SSE),
    Row("NP 0F AE /7", "Mb", flush_line, faults="always", feature=CLFSH),
]
