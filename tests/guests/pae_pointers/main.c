/* The four page-directory pointers of PAE paging are registers, filled when CR3 is loaded: a change in memory shows only
 * then, they have no accessed bit, and a reserved bit in one makes the load fault.
 *
 * not on QEMU
 * SDM volume 3A, section 4.4.1. */
#include "../lib/check.h"

enum { P = 1, W = 2, A = 0x20, LARGE = 0x80 };

#define WINDOW 0x40000000u

static u64 pointers[4] __attribute__((aligned(32)));
static u64 low_directory[512] ALIGNED, high_directory[512] ALIGNED;
static volatile u32 word = 0x5678;

static void start_paging(void)
{
    for (u32 i = 0; i < 4; i++)
        low_directory[i] = high_directory[i] = (u64)i << 21 | P | W | LARGE; /* 8 MiB, seen twice */
    pointers[0] = (u32)low_directory | P;
    pointers[1] = (u32)high_directory | P;
    WRITE_CR(4, READ_CR(4) | 0x20); /* PAE */
    WRITE_CR(3, (u32)pointers);
    WRITE_CR(0, READ_CR(0) | 0x80010000); /* PG and WP */
}

static u32 through_window(void)
{
    return *(volatile u32 *)(WINDOW + (u32)&word);
}

static void a_change_shows_when_cr3_is_loaded(void)
{
    CHECK_EQUAL(through_window(), 0x5678);
    pointers[1] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW + (u32)&word) : "memory");
    CHECK_EQUAL(through_window(), 0x5678); /* the register still holds the old pointer */
    WRITE_CR(3, (u32)pointers);
    EXPECT_FAULT(PF, 0, "movl (%0), %%eax", "r"(WINDOW + (u32)&word));
    pointers[1] = (u32)high_directory | P;
    EXPECT_FAULT(PF, 0, "movl (%0), %%eax", "r"(WINDOW + (u32)&word));
    WRITE_CR(3, (u32)pointers);
    CHECK_EQUAL(through_window(), 0x5678);
}

static void there_is_no_accessed_bit(void)
{
    CHECK_EQUAL((u32)pointers[1] & A, 0);
}

static void a_reserved_bit_makes_the_load_fault(void)
{
    pointers[1] |= W; /* bits 1 and 2 are reserved in a pointer */
    EXPECT_FAULT(GP, 0, "movl %0, %%cr3", "r"(pointers));
    pointers[1] &= ~(u64)(P | W); /* not present: the rest is ignored */
    EXPECT_NONE("movl %0, %%cr3", "r"(pointers));
}

void program_main(void)
{
    start_paging();
    a_change_shows_when_cr3_is_loaded();
    there_is_no_accessed_bit();
    a_reserved_bit_makes_the_load_fault();
}
