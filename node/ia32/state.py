"""The processor's state as data: three records and the constants that name their contents.

`Cpu` is architectural and travels in snapshots. `Machine` is this host's side of one virtual CPU (addresses of tables,
why execution left native code, counters); it is rebuilt, never saved. `Op` is one decoded instruction.

Words are Intel's (SDM volume 3A chapters 2-6). All fields are int64 holding non-negative values, except where said.
"""

from typing import Annotated

import numpy as np

from node.jitted import I64, U8, U32, record_dtype

M8, M16, M32 = 0xFF, 0xFFFF, 0xFFFF_FFFF

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, NO_REG = range(9)
ES, CS, SS, DS, FS, GS, LDTR, TR = range(8)

# EFLAGS
CF, PF, AF, ZF, SF, TF, IF, DF, OF = 0x1, 0x4, 0x10, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
IOPL_SHIFT, IOPL_MASK, NT, RF, VM, AC, VIF, VIP, ID = (
    12,
    0x3000,
    0x4000,
    0x10000,
    0x20000,
    0x40000,
    0x80000,
    0x100000,
    0x200000,
)
STATUS_FLAGS = CF | PF | AF | ZF | SF | OF

# CR0, CR4
CR0_PE, CR0_MP, CR0_EM, CR0_TS, CR0_ET, CR0_NE, CR0_WP, CR0_AM, CR0_NW, CR0_CD, CR0_PG = (
    0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x10000, 0x40000, 0x2000_0000, 0x4000_0000, 0x8000_0000,
)  # fmt: skip
CR4_VME, CR4_PVI, CR4_TSD, CR4_DE, CR4_PSE, CR4_PAE, CR4_MCE, CR4_PGE, CR4_PCE, CR4_OSFXSR, CR4_OSXMMEXCPT = (
    0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400,
)  # fmt: skip
EFER_NXE = 0x800

# Exception vectors (SDM 3A table 6-1)
DE, DB, NMI, BP, OVERFLOW, BR, UD, NM, DOUBLE, TS_, NP, SS_, GP, PAGE, MF, AC_, MC, XM = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    10,
    11,
    12,
    13,
    14,
    16,
    17,
    18,
    19,
)

# Segment attributes: the descriptor's access byte in bits 0-7, its AVL/L/D/G nibble in bits 8-11, UNUSABLE for a
# null selector
ATTR_ACCESSED, ATTR_RW, ATTR_DC, ATTR_CODE, ATTR_S, ATTR_DPL_SHIFT, ATTR_P = 0x1, 0x2, 0x4, 0x8, 0x10, 5, 0x80
ATTR_AVL, ATTR_D, ATTR_G, UNUSABLE = 0x100, 0x400, 0x800, 0x10000


class Cpu:
    """Architectural state (a snapshot is these bytes)."""

    gpr: Annotated[
        list[int], np.int64, 9
    ]  # EAX ECX EDX EBX ESP EBP ESI EDI, and [8] = 0 for "no register" in addresses
    eip: I64  # inside a block: of the block's first instruction; elsewhere of the next instruction
    flags: I64  # EFLAGS without the six status flags; bit 1 set
    cc_op: I64  # how the status flags follow from cc_dst and cc_src (flags.py)
    cc_dst: I64  # result of the last flag-setting operation, masked to its size
    cc_src: I64  # its source operand, or what flags.py says
    cpl: I64  # current privilege level
    selector: Annotated[list[int], np.int64, 8]  # ES CS SS DS FS GS LDTR TR
    base: Annotated[list[int], np.int64, 8]  # linear address
    limit: Annotated[list[int], np.int64, 8]  # last valid offset, in bytes (granularity applied)
    attr: Annotated[list[int], np.int64, 8]
    gdt_base: I64
    gdt_limit: I64
    idt_base: I64
    idt_limit: I64
    cr0: I64
    cr2: I64
    cr3: I64
    cr4: I64
    pdpte: Annotated[list[int], np.int64, 4]  # PAE: loaded by a CR3 write (SDM 3A 4.4.1)
    dr: Annotated[list[int], np.int64, 8]  # DR0-3 addresses, DR6 status, DR7 control
    efer: I64
    sysenter_cs: I64
    sysenter_esp: I64
    sysenter_eip: I64
    pat: I64
    misc_msr: Annotated[list[int], np.int64, 32]  # those that are only stored (msr.py names the slots)
    tsc_offset: I64  # TSC = f(instructions or guest time) + this, modulo 2^64 as a signed value
    instructions: I64  # executed since reset
    debug_hits: I64  # data breakpoints met, as bits of DR6, that the trap behind the instruction will report
    inhibit: I64  # HOLD_…: held off until after the next instruction, behind STI and loads of SS (holding.py)
    halted: I64  # HLT: waits for an interrupt
    nmi_pending: I64
    nmi_masked: I64  # between an NMI's delivery and the next IRET
    a20_mask: I64  # 0xFFFFFFFF, or 0xFFEFFFFF with the A20 line low
    fpu: Annotated[
        list[int], np.uint64, 16
    ]  # ST registers R0-R7 (physical): [2i] significand, [2i+1] sign and exponent
    fcw: I64  # x87 control word
    fsw: I64  # status word, TOP in bits 11-13
    ftw: I64  # bit i: register Ri is not empty
    fip: I64
    fcs: I64
    fdp: I64
    fds: I64
    fop: I64
    xmm: Annotated[list[int], np.uint32, 32]  # XMM0-XMM7, four 32-bit lanes each, the lowest first
    mxcsr: I64  # while the guest runs, flags gather elsewhere: see host_sse.py
    apic_base: I64  # IA32_APIC_BASE
    apic: Annotated[list[int], np.int64, 64]  # the local APIC's registers by offset / 16 (apic_registers.py)
    apic_errors: I64  # errors since the last write of the error status register
    apic_pins: I64  # LINT0 and LINT1 as they are driven: bits 0 and 1
    apic_count: I64  # what the timer's counter held at apic_since
    apic_since: I64  # guest time
    apic_due: I64  # guest time of the timer's next interrupt (apic_timer.py)


# Why native code was left (Machine.leave)
STAY, LEAVE_FAULT, LEAVE_EXIT, LEAVE_AFTER = 0, 1, 2, 3
# What the host must do (Machine.exit)
(EXIT_NONE, EXIT_IO, EXIT_HALT, EXIT_INTERRUPT, EXIT_SHUTDOWN, EXIT_TIME, EXIT_MEMORY, EXIT_EOI, EXIT_INIT) = range(9)
EXIT_NAMES = ("budget", "io", "halt", "interrupt", "shutdown", "time", "memory", "eoi", "init")


class Machine:
    """This host's side of one virtual CPU: addresses are of this process. First comes what is referred to most: native
    code has short addresses for 128 bytes."""

    cpu_address: I64  # of the Cpu record (x87 and snapshots of it reach it by address)
    ram: I64  # base of the guest's backing memory
    tlb: I64  # 2^20 entries of 8 bytes by linear page (tlb.py)
    need_read: I64  # the TLB bit that allows a read at the present CPL; likewise write and fetch
    need_write: I64  # both 0 while accesses are watched (debug.py): then every one takes the slow path
    need_fetch: I64
    mode: I64  # what code may take for granted: of the MODE_… bits
    left: I64  # instructions that may still be executed before the host wants control
    leave: I64
    fault: I64  # 0, or 256 + vector
    jumps: I64  # where branches led: JUMP_BYTES each (fetch.py)
    handlers: I64  # by handler number, 8 bytes each: what to put into Op.handler
    helpers: I64  # native code that translated code calls, by number, 8 bytes each
    stack_mask: I64  # M32 or M16 by SS.B
    ram_bytes: I64  # RAM proper: gpa below this, outside the legacy hole, is RAM
    low_map: (
        I64  # 256 entries of 8 bytes: where each page below 1 MiB lies (backing offset | MAP flags), see physical.py
    )
    rom_gpa: I64  # first gpa of the ROM's high mapping; 2^32 - rom size
    tlb_filled: I64  # list of linear pages that have an entry, 4 bytes each
    tlb_count: I64
    dirty: I64  # a byte per backing page
    code: I64  # a byte per backing page: has decoded instructions
    code_chunks: I64  # 4 bytes per backing page: which of its 32 chunks of 128 bytes hold decoded instructions
    page_blocks: I64  # 4 bytes per backing page: head of its list of blocks (index + 1)
    ops: I64  # arena of Op records
    ops_used: I64
    blocks: I64  # arena of Block records (blocks.py)
    blocks_used: I64
    block_table: I64  # hash table: 4 bytes a slot, block index + 1
    encodings: I64  # the decoder's table (decode.py)
    notes: I64  # blocks that have become hot: NOTE_BYTES each, for the translator to read
    notes_used: I64
    glance: I64  # executions after which a block is noted; 0: never
    patience: I64  # and how many later once more
    stencils: I64  # table of stencils (node.jit.stencils); 0: none are copied
    look_mask: I64  # a block is looked at when what its first Op has still to count has none of these bits
    copy_within: I64  # instructions between two entries of a block, on average, up to which it is worth being copied
    note_within: I64  # and noted
    copies: I64  # arena for copied stencils, where it is written, and where it is executed
    copies_run: I64
    copies_bytes: I64
    copies_used: I64
    copies_full: I64  # 1: there was no room
    spans: I64  # instructions on two pages (spanning.py)
    decode_buffer: I64  # 16 bytes of instruction under decoding
    watches_code: I64  # 1: there are breakpoints on instructions
    seg_ok: Annotated[list[int], np.int64, 8]  # 1: every read passes segment checks; 2: every write too
    slice: I64  # what `left` was when c.instructions was last brought up to date
    error: I64  # its error code; -1: none is pushed
    exit: I64
    io_port: I64
    io_size: I64
    io_value: I64
    io_write: I64
    io_ready: I64  # 1: the host has read io_value for the instruction that is executed again
    held_at: I64  # instructions that had been executed where c.inhibit holds
    interrupt_line: I64  # a maskable interrupt waits: the PIC's, by way of LINT0, or apic_vector
    tsc_now: I64  # guest time's contribution to the TSC at the start of this slice
    # RDTSC = tsc_now + ((executed - tsc_start) * tsc_per_instruction >> 16), executed = instructions + slice - left
    tsc_start: I64  # c.instructions at the start of this slice
    tsc_per_instruction: I64
    tlb_misses: I64
    blocks_decoded: I64
    code_writes: I64
    first: Annotated[list[int], np.uint32, 4]  # the vector unit's latches (latches.py): operands of the operation
    operand: Annotated[list[int], np.uint32, 4]  # that the present instruction makes, and its result
    float_control: I64  # plain Python's stand-in for the host's MXCSR (host_sse.py)
    features: I64  # what the processor model has: CPUID leaf 1, EDX
    features_extended: I64  # leaf 80000001h, EDX
    cr4_bits: I64  # those that can be set
    mxcsr_bits: I64
    signature: I64
    cpuid: Annotated[list[int], np.int64, 32]  # EAX EBX ECX EDX of each leaf (cpuid.py)
    cpuid_basic: I64  # the highest leaf, and the highest extended one
    cpuid_extended: I64
    exceptions: I64
    interrupts: I64
    translated: I64  # instructions executed in translated code
    apic_page: I64  # guest-physical page number of the local APIC, -1 while there is none
    apic_vector: I64  # what the local APIC would interrupt with now; 0: nothing
    eoi_vector: I64  # EXIT_EOI: a level-triggered interrupt that has ended
    devices_from: I64  # guest-physical addresses from here and below devices_to are the host's devices
    devices_to: I64
    reach: I64  # how far an access may go outside of memory now (bus.py)
    alone: I64  # the next instruction is executed by itself, because it reaches outside of memory
    cpu_copy: I64  # address of the Cpu record as it was before that
    nowhere: I64  # guest-physical page that has no memory, as the last translation found
    bus_address: I64  # EXIT_MEMORY, nothing posted: the host shall read here
    bus_size: I64
    answers: I64  # what the host has read for the instruction that is executed again, and how much of that it has taken
    answers_used: I64
    answer: Annotated[list[int], np.int64, 160]
    posted: I64  # writes to devices by the present instruction: address, size and value of each
    posted_address: Annotated[list[int], np.int64, 160]
    posted_size: Annotated[list[int], np.int64, 160]
    posted_value: Annotated[list[int], np.int64, 160]
    port_answers: I64  # by port, 2 bytes each: PORT_ANSWERS | what a read of a byte gives; 0: the host must be asked
    sink_port: I64  # bytes written to this port are kept in `sink` for the host, which need not stop for them; NO_PORT
    sink: I64  # address of SINK_BYTES bytes
    sink_used: I64
    timer_port: I64  # reads of a byte here show a counter of the host's (timer_port.py); NO_PORT
    timer_hz: I64
    timer_start: I64  # tick from which on it falls, from timer_count
    timer_count: I64
    timer_half: I64  # 1: the low byte has been read
    host_clock: I64  # address of a function like clock_gettime(2) (slices.py); 0: slices end at the host
    pairs: I64  # address of the table of joining.py; 0: an Op's handler is a number, and none are joined
    host_wait: I64  # address of a function like ppoll(2) (resting.py); 0: a guest that halts leaves to the host
    bell: I64  # file descriptor that becomes readable when somebody wants the machine
    halts: I64  # how often it was waited for what ends HLT
    host_epoch: I64  # the host's time when guest time was 0, had nothing ever held the guest (real_time.py)
    told: I64  # guest time that was last told, and the instructions that had been executed then
    told_at: I64
    idle: I64  # 1: the guest waits, so that all of the host's time is its own
    sliced: I64  # guest time and instructions when a budget was last asked for
    sliced_at: I64
    devices_due: I64  # guest time at which the host has something to do
    ferr: I64  # FERR# as the host knows it
    wanted: I64  # 1: somebody wants the machine when this slice has ended


# Machine.mode: CS, DS, ES and SS span all 4 GiB from 0 with 32-bit stack and pass every check; CPL is 3; CS is a 32-bit
# segment without a limit; accesses are watched (debug.py)
MODE_FLAT, MODE_USER, MODE_CODE, MODE_WATCHED = 1, 2, 4, 8

MOST_ON_BUS = 160  # accesses of one instruction: FXSAVE makes 128
PORTS, NO_PORT = 0x1_0000, 0x1_0000
PORT_ANSWERS = 0x100
SINK_BYTES = 4096


class Op:
    """One decoded instruction, 32 bytes."""

    handler: Annotated[int, np.int64]  # handler number (plain Python) or address (native)
    link: Annotated[int, np.int64]  # address of the Op that a direct jump leads to, once known; 0: look it up
    disp: U32  # address displacement; for direct jumps unused; of a block's first Op, executions until it is noted
    imm: U32  # immediate or relative offset, masked to the operand size; of a block's first Op, the block's number
    length: U8  # bytes of the instruction
    at: U8  # its offset from the block's first byte
    a: U8  # destination or `reg` register
    b: U8  # source or `rm` register
    base: U8  # address registers, NO_REG for none
    index: U8
    scale: U8  # bits 0-1 shift of the index; bit 2: 16-bit address
    seg: U8  # segment of the memory operand; bits 4-5: REP prefixes (0x10 F3, 0x20 F2); bit 6: LOCK


CPU, MACHINE, OP = record_dtype(Cpu), record_dtype(Machine), record_dtype(Op)
CPU_BYTES, OP_BYTES = CPU.itemsize, OP.itemsize
REP, REPNE, LOCK = 0x10, 0x20, 0x40
