/* PAE paging: three levels, 64-bit entries, 2 MiB pages. (The four page-directory pointers: ../pae_pointers.)
 *
 * SDM volume 3A, section 4.4. */
#include "../lib/check.h"

enum { P = 1, W = 2, A = 0x20, D = 0x40, LARGE = 0x80 };

#define WINDOW 0x40000000u /* the second of the four pointers, so the second directory */

static u64 pointers[4] __attribute__((aligned(32)));
static u64 low_directory[512] ALIGNED, high_directory[512] ALIGNED, table[512] ALIGNED;
static u8 frames[2][PAGE] ALIGNED;

static void flush(u32 linear)
{
    __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

static void start_paging(void)
{
    for (u32 i = 0; i < 4; i++)
        low_directory[i] = (u64)i << 21 | P | W | LARGE; /* 8 MiB, one to one */
    high_directory[0] = (u32)table | P | W;
    table[0] = (u32)frames[0] | P | W;
    pointers[0] = (u32)low_directory | P;
    pointers[1] = (u32)high_directory | P;
    WRITE_CR(4, READ_CR(4) | 0x20); /* PAE */
    WRITE_CR(3, (u32)pointers);
    WRITE_CR(0, READ_CR(0) | 0x80010000); /* PG and WP */
}

static void small_pages(void)
{
    *(volatile u32 *)(WINDOW + 16) = 0x1234;
    CHECK_EQUAL(*(volatile u32 *)(frames[0] + 16), 0x1234);
    CHECK_EQUAL((u32)table[0] & (A | D), A | D);
    CHECK((u32)high_directory[0] & A);
    table[0] = (u32)frames[1] | P;
    flush(WINDOW);
    EXPECT_FAULT(PF, P | W, "movl %%eax, (%0)", "r"(WINDOW));
    CHECK_EQUAL(last_cr2, WINDOW);
    EXPECT_FAULT(PF, 0, "movl (%0), %%eax", "r"(WINDOW + PAGE));
    EXPECT_FAULT(PF, W, "movl %%eax, (%0)", "r"(0x80000000)); /* no pointer */
}

static void large_pages(void)
{
    high_directory[1] = 0 | P | W | LARGE;
    CHECK_EQUAL(*(volatile u32 *)(WINDOW + 0x200000 + (u32)frames[0] + 16), 0x1234);
    CHECK_EQUAL((u32)high_directory[1] & (A | D), A);
    *(volatile u32 *)(WINDOW + 0x200000 + (u32)frames[0] + 16) = 0x5678;
    CHECK_EQUAL((u32)high_directory[1] & (A | D), A | D);
    CHECK_EQUAL(*(volatile u32 *)(frames[0] + 16), 0x5678);
}

static void a_cmpxchg8b_sets_an_entry_at_once(void)
{
    u64 expected = table[1], wanted = (u32)frames[1] | P | W;
    __asm__ volatile("lock cmpxchg8b %0"
                     : "+m"(table[1])
                     : "a"((u32)expected), "d"((u32)(expected >> 32)), "b"((u32)wanted), "c"((u32)(wanted >> 32))
                     : "memory", "cc");
    flush(WINDOW + PAGE);
    *(volatile u32 *)(frames[1]) = 99;
    CHECK_EQUAL(*(volatile u32 *)(WINDOW + PAGE), 99);
}

void program_main(void)
{
    start_paging();
    small_pages();
    large_pages();
    a_cmpxchg8b_sets_an_entry_at_once();
}
