/* Rules of the architecture that QEMU's TCG does not enforce: segment limits and types at each access, LOCK only before
 * stores, impossible combinations in CR0, alignment of vectors, bits of MXCSR that do not exist.
 *
 * not on QEMU
 * SDM volume 3A, sections 2.5, 5.3 and 5.5; volume 2, LOCK, MOVAPS, LDMXCSR. */
#include "../lib/check.h"

static u8 block[8192] ALIGNED;

static void load_gs(u32 base, u32 limit, u32 access)
{
    gdt[FREE / 8] = descriptor(base, limit, access);
    __asm__ volatile("movl %0, %%gs" : : "r"(FREE));
}

static void null_selector(void)
{
    __asm__ volatile("movl %0, %%gs" : : "r"(0));
    EXPECT_FAULT(GP, 0, "movl %%gs:0x100000, %%eax", "a"(0));
    EXPECT_FAULT(GP, 0, "movl %%eax, %%gs:0x100000", "a"(0));
}

static void byte_limits(void)
{
    load_gs((u32)block, 0x0FF, 0x4093);
    EXPECT_NONE("movb %%gs:0xff, %%al", "a"(0));
    EXPECT_NONE("movl %%gs:0xfc, %%eax", "a"(0));
    EXPECT_FAULT(GP, 0, "movb %%gs:0x100, %%al", "a"(0));
    EXPECT_FAULT(GP, 0, "movl %%gs:0xfd, %%eax", "a"(0)); /* its last byte is outside */
    EXPECT_FAULT(GP, 0, "movl %%eax, %%gs:0xfd", "a"(~0));
    CHECK_EQUAL(block[0xFD], 0);
    EXPECT_FAULT(GP, 0, "movl %%gs:0xffffffff, %%eax", "a"(0)); /* wraps */
}

static void page_limits(void)
{
    load_gs((u32)block, 0, 0xC093); /* granularity 4 KiB: offsets up to 0xfff */
    EXPECT_NONE("movb %%gs:0xfff, %%al", "a"(0));
    EXPECT_FAULT(GP, 0, "movb %%gs:0x1000, %%al", "a"(0));
}

static void expand_down(void)
{
    load_gs((u32)block, 0x0FF, 0x4097); /* valid: 0x100 .. 0xffffffff */
    EXPECT_FAULT(GP, 0, "movb %%gs:0xff, %%al", "a"(0));
    EXPECT_NONE("movb %%gs:0x100, %%al", "a"(0));
    load_gs((u32)block, 0x0FF, 0x0097); /* 16-bit: 0x100 .. 0xffff */
    EXPECT_NONE("movb %%gs:0x100, %%al", "a"(0));
    EXPECT_FAULT(GP, 0, "movb %%gs:0x10000, %%al", "a"(0));
}

static void types(void)
{
    load_gs(0, 0xFFFFF, 0xC091); /* read-only */
    EXPECT_NONE("movl %%gs:0x100000, %%eax", "a"(0));
    EXPECT_FAULT(GP, 0, "movl %%eax, %%gs:0x100000", "a"(0));
    load_gs(0, 0xFFFFF, 0xC09B); /* readable code */
    EXPECT_NONE("movl %%gs:0x100000, %%eax", "a"(0));
    EXPECT_FAULT(GP, 0, "movl %%eax, %%gs:0x100000", "a"(0));
    EXPECT_FAULT(GP, 0, "movl %%eax, %%cs:0x100000", "a"(0));
}

static void stack_segment(void)
{
    gdt[FREE / 8 + 1] = descriptor(0, 0x001FF, 0xC093); /* 2 MiB: holds our stack */
    __asm__ volatile("movl %0, %%ss" : : "r"(FREE + 8));
    EXPECT_NONE("movl %%ss:0x1ffffc, %%eax", "a"(0));
    EXPECT_FAULT(SS, 0, "movl %%ss:0x200000, %%eax", "a"(0));
    __asm__ volatile("movl %0, %%ss" : : "r"(DATA));
}

static void lock_needs_a_store(void)
{
    EXPECT_FAULT(UD, 0, ".byte 0xf0, 0x8b, 0x01", "c"(block)); /* LOCK MOV EAX, [ECX] */
    EXPECT_FAULT(UD, 0, ".byte 0xf0, 0x39, 0x01", "c"(block)); /* LOCK CMP [ECX], EAX */
    EXPECT_FAULT(UD, 0, ".byte 0xf0, 0x90", "a"(0));
}

static void impossible_modes(void)
{
    u32 cr0 = READ_CR(0);
    EXPECT_FAULT(GP, 0, "movl %0, %%cr0", "r"((cr0 | 0x80000000) & ~1u)); /* PG without PE */
    EXPECT_FAULT(GP, 0, "movl %0, %%cr0", "r"((cr0 | 0x20000000) & ~0x40000000u)); /* NW without CD */
    EXPECT_FAULT(GP, 0, "movl %0, %%cr4", "r"(0x80000000)); /* a reserved bit */
    CHECK_EQUAL(READ_CR(0), cr0);
}

static void vectors(void)
{
    static const u32 four[4] __attribute__((aligned(16))) = {0x10000};
    WRITE_CR(4, READ_CR(4) | 0x200); /* OSFXSR */
    EXPECT_NONE("movaps (%0), %%xmm0", "b"(four));
    EXPECT_FAULT(GP, 0, "movaps 4(%0), %%xmm0", "b"(four));
    EXPECT_FAULT(GP, 0, "addps 4(%0), %%xmm0", "b"(four));
    EXPECT_FAULT(GP, 0, "ldmxcsr (%0)", "b"(four));
}

/* Two NOPs up to offset FFFF of 16-bit code at level 3, INT3 behind them, UD2 at offset 0. */
static void run_to_64k(u32 limit)
{
    static u8 stack[64];
    u8 *const code = (u8 *)0x200000;
    const u32 frame[] = {0xFFFE, FREE | 3, 2, (u32)(stack + sizeof stack), USER_DATA};
    code[0] = 0x0F, code[1] = 0x0B, code[0xFFFE] = code[0xFFFF] = 0x90, code[0x10000] = 0xCC;
    gdt[FREE / 8] = descriptor((u32)code, limit, 0x00FB);
    last.vector = NO_FAULT;
    enter(frame, 5);
}

static void sixteen_bit_code_does_not_wrap(void)
{
    idt[BP] |= 0x6000ull << 32;
    run_to_64k(0xFFFF);
    CHECK_EQUAL(last.vector, GP);
    CHECK_EQUAL(last.error, 0);
    CHECK_EQUAL(last.eip, 0x10000);
    run_to_64k(0x1FFFF);
    CHECK_EQUAL(last.vector, BP);
    CHECK_EQUAL(last.eip, 0x10001);
}

void program_main(void)
{
    impossible_modes();
    null_selector();
    byte_limits();
    page_limits();
    expand_down();
    types();
    stack_segment();
    lock_needs_a_store();
    vectors();
    sixteen_bit_code_does_not_wrap();
    __asm__ volatile("movl %0, %%gs" : : "r"(DATA));
}
