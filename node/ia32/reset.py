"""The state in which execution starts: as after RESET, or as a boot loader leaves it.

SDM 3A 9.1.1, table 9-1, for a family 6 processor. Plain Python: it runs once, never from guest code.
"""

from node.ia32.apic_interrupts import reset_apic
from node.ia32.descriptors import BUSY_TSS32, LDT
from node.ia32.memory_types import PAT_RESET
from node.ia32.msr import FAST_STRINGS, MISC_ENABLE_SLOT
from node.ia32.segments import DATA_SEGMENTS, REAL_ATTR, refresh
from node.ia32.state import (
    ATTR_ACCESSED,
    ATTR_CODE,
    ATTR_D,
    ATTR_G,
    ATTR_P,
    ATTR_RW,
    ATTR_S,
    CR0_CD,
    CR0_ET,
    CR0_NW,
    CR0_PE,
    CS,
    DS,
    EDX,
    ES,
    FS,
    GS,
    LDTR,
    M16,
    M32,
    SS,
    TR,
    Cpu,
    Machine,
)
from node.ia32.tlb import flush_all

DR6_RESET, DR7_RESET = 0xFFFF_0FF0, 0x400
FCW_RESET = 0x40
MXCSR_RESET = 0x1F80
FLAT_DATA = ATTR_P | ATTR_S | ATTR_RW | ATTR_ACCESSED | ATTR_D | ATTR_G
FLAT_CODE = FLAT_DATA | ATTR_CODE


def reset(c: Cpu, m: Machine) -> None:
    """The processor after RESET: real mode, next instruction at FFFFFFF0. Time goes on."""
    for number in range(9):
        c.gpr[number] = 0
    c.gpr[EDX] = m.signature
    c.eip, c.flags = 0xFFF0, 2
    c.cc_op = c.cc_dst = c.cc_src = 0
    c.cpl = 0
    for seg in range(DATA_SEGMENTS):
        c.selector[seg], c.base[seg], c.limit[seg], c.attr[seg] = 0, 0, M16, REAL_ATTR
    c.selector[CS], c.base[CS] = 0xF000, 0xFFFF_0000
    for seg, kind in ((LDTR, LDT), (TR, BUSY_TSS32)):
        c.selector[seg], c.base[seg], c.limit[seg], c.attr[seg] = 0, 0, M16, ATTR_P | kind
    c.gdt_base, c.gdt_limit, c.idt_base, c.idt_limit = 0, M16, 0, M16
    c.cr0 = CR0_CD | CR0_NW | CR0_ET
    c.cr2 = c.cr3 = c.cr4 = c.efer = 0
    for i in range(4):
        c.pdpte[i] = 0
    for i in range(8):
        c.dr[i] = 0
    c.dr[6], c.dr[7] = DR6_RESET, DR7_RESET
    c.sysenter_cs = c.sysenter_esp = c.sysenter_eip = 0
    c.pat = PAT_RESET
    for i in range(32):
        c.misc_msr[i] = 0
    c.misc_msr[MISC_ENABLE_SLOT] = FAST_STRINGS
    c.tsc_offset = 0
    c.debug_hits = c.inhibit = c.halted = c.nmi_pending = c.nmi_masked = 0
    c.a20_mask = M32
    _reset_fpu(c)
    m.fault = m.leave = m.exit = m.io_ready = m.alone = m.answers = 0
    c.apic_pins = 0
    reset_apic(c, m)
    flush_all(m)
    refresh(c, m)


def _reset_fpu(c: Cpu) -> None:
    for i in range(16):
        c.fpu[i] = 0
    c.fcw, c.fsw, c.ftw = FCW_RESET, 0, 0xFF  # table 9-1: all registers hold +0.0 and are tagged so
    c.fip = c.fcs = c.fdp = c.fds = c.fop = 0
    for i in range(32):
        c.xmm[i] = 0
    c.mxcsr = MXCSR_RESET


def enter_flat32(c: Cpu, m: Machine, code_selector: int, data_selector: int, eip: int) -> None:
    """Protected mode, paging off, flat 4 GiB segments: where Linux's 32-bit entry and Multiboot kernels begin."""
    c.cr0 = CR0_ET | CR0_PE
    for seg in (ES, SS, DS, FS, GS):
        c.selector[seg], c.base[seg], c.limit[seg], c.attr[seg] = data_selector, 0, M32, FLAT_DATA
    c.selector[CS], c.base[CS], c.limit[CS], c.attr[CS] = code_selector, 0, M32, FLAT_CODE
    c.eip = eip
    refresh(c, m)
