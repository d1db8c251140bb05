/* 32-bit paging: error codes, CR2, accessed and dirty bits, write protection, large pages, INVLPG.
 *
 * SDM volume 3A, chapter 4. Page faults are precise: the instruction can be restarted, and has changed nothing. */
#include "../lib/check.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, LARGE = 0x80 };

#define WINDOW 0x40000000u

static u32 directory[1024] ALIGNED;
static u32 low[1024] ALIGNED;    /* linear 0 .. 4 MiB, one to one */
static u32 window[1024] ALIGNED; /* linear WINDOW .. + 4 MiB */
static u8 frames[4][PAGE] ALIGNED;

static void flush(u32 linear)
{
    __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

static void map(u32 index, u32 frame, u32 bits)
{
    window[index] = (frame ? frame : 0) | bits;
    flush(WINDOW + index * PAGE);
}

static void start_paging(void)
{
    for (u32 i = 0; i < 1024; i++)
        low[i] = i * PAGE | P | W | U;
    directory[0] = (u32)low | P | W | U;
    directory[WINDOW >> 22] = (u32)window | P | W | U;
    WRITE_CR(3, (u32)directory);
    WRITE_CR(0, READ_CR(0) | 0x80010000); /* PG and WP */
}

static void error_codes(void)
{
    map(0, 0, 0);
    EXPECT_FAULT(PF, 0, "movl (%0), %%eax", "r"(WINDOW + 8));
    CHECK_EQUAL(last_cr2, WINDOW + 8);
    EXPECT_FAULT(PF, W, "movl %%eax, (%0)", "r"(WINDOW + 8));
    EXPECT_FAULT(PF, 0, "movl (%0), %%eax", "r"(WINDOW + 0x800000)); /* no page table */
    map(0, (u32)frames[0], P);
    EXPECT_NONE("movl (%0), %%eax", "r"(WINDOW));
    EXPECT_FAULT(PF, P | W, "movl %%eax, (%0)", "r"(WINDOW));
    WRITE_CR(0, READ_CR(0) & ~0x10000u);
    EXPECT_NONE("movl %%eax, (%0)", "r"(WINDOW)); /* without WP the kernel may */
    WRITE_CR(0, READ_CR(0) | 0x10000);
    EXPECT_FAULT(PF, P | W, "movl %%eax, (%0)", "r"(WINDOW));
}

static void accessed_and_dirty(void)
{
    map(0, (u32)frames[0], P | W);
    directory[WINDOW >> 22] &= ~(u32)A;
    WRITE_CR(3, (u32)directory);
    CHECK_EQUAL(window[0] & (A | D), 0);
    EXPECT_NONE("movl (%0), %%eax", "r"(WINDOW));
    CHECK_EQUAL(window[0] & (A | D), A);
    CHECK(directory[WINDOW >> 22] & A);
    EXPECT_NONE("movl %%eax, (%0)", "r"(WINDOW)); /* the translation is cached, and D must still appear */
    CHECK_EQUAL(window[0] & (A | D), A | D);
    map(1, (u32)frames[1], P);
    EXPECT_FAULT(PF, P | W, "movl %%eax, (%0)", "r"(WINDOW + PAGE));
    CHECK_EQUAL(window[1] & D, 0);
}

static void two_pages(void)
{
    map(0, (u32)frames[0], P | W);
    map(1, 0, 0);
    *(volatile u32 *)(frames[0] + PAGE - 4) = 0x11223344;
    EXPECT_FAULT(PF, W, "movl %1, (%0)", "r"(WINDOW + PAGE - 2), "a"(0xAABBCCDD));
    CHECK_EQUAL(last_cr2, WINDOW + PAGE);
    CHECK_EQUAL(*(volatile u32 *)(frames[0] + PAGE - 4), 0x11223344); /* nothing was stored */
    map(1, (u32)frames[2], P | W); /* frames 0 and 2: not neighbours */
    EXPECT_NONE("movl %1, (%0)", "r"(WINDOW + PAGE - 2), "a"(0xAABBCCDD));
    CHECK_EQUAL(*(volatile u32 *)(frames[0] + PAGE - 4), 0xCCDD3344);
    CHECK_EQUAL(*(volatile u32 *)frames[2], 0xAABB);
}

static void string_stops_where_it_faults(void)
{
    map(0, (u32)frames[0], P | W);
    map(1, 0, 0);
    EXPECT_FAULT(PF, W, "rep stosl", "D"(WINDOW + PAGE - 12), "c"(10), "a"(7));
    CHECK_EQUAL(last.ecx, 7); /* three words were stored, and the instruction can go on */
    CHECK_EQUAL(last.edi, WINDOW + PAGE);
    CHECK_EQUAL(*(volatile u32 *)(frames[0] + PAGE - 12), 7);
}

static void translations_are_forgotten_on_request(void)
{
    map(0, (u32)frames[0], P | W);
    map(1, (u32)frames[1], P | W);
    *(volatile u32 *)frames[0] = 100;
    *(volatile u32 *)frames[1] = 200;
    CHECK_EQUAL(*(volatile u32 *)WINDOW, 100);
    map(0, (u32)frames[1], P | W);
    CHECK_EQUAL(*(volatile u32 *)WINDOW, 200);
    window[0] = (u32)frames[0] | P | W;
    WRITE_CR(3, (u32)directory);
    CHECK_EQUAL(*(volatile u32 *)WINDOW, 100);
}

static void large_pages(void)
{
    WRITE_CR(4, READ_CR(4) | 0x10); /* PSE */
    directory[0x50000000 >> 22] = 0 | P | W | LARGE;
    CHECK_EQUAL(*(volatile u32 *)(0x50000000 + (u32)frames[1]), 200);
    CHECK_EQUAL(directory[0x50000000 >> 22] & (A | D), A);
    *(volatile u32 *)(0x50000000 + (u32)frames[1]) = 300;
    CHECK_EQUAL(directory[0x50000000 >> 22] & (A | D), A | D);
    CHECK_EQUAL(*(volatile u32 *)frames[1], 300);
}

static void page_tables_are_memory(void)
{
    /* The window's own table, mapped in the window: an entry written through it is the entry the walk reads. */
    map(3, (u32)window, P | W);
    volatile u32 *entries = (volatile u32 *)(WINDOW + 3 * PAGE);
    entries[2] = (u32)frames[1] | P | W;
    CHECK_EQUAL(*(volatile u32 *)(WINDOW + 2 * PAGE), 300);
    CHECK_EQUAL(entries[2] & A, A);
}

static void user_pages(void)
{
    extern const u8 user_read[], user_write[], user_jump[];
    __asm__ volatile("jmp 9f\n"
                     "user_read: movl $0x23, %ecx; movl %ecx, %ds; movl 0x40000000, %eax; int $48\n"
                     "user_write: movl $0x23, %ecx; movl %ecx, %ds; movl %eax, 0x40000000; int $48\n"
                     "user_jump: jmp 0x40000000\n"
                     "9:");
    idt[48] |= 0x6000ull << 32; /* callable from ring 3 */
    map(0, (u32)frames[0], P | W);
    run_user(user_read, 2);
    CHECK_EQUAL(last.vector, PF);
    CHECK_EQUAL(last.error, P | U);
    map(0, (u32)frames[0], P | U);
    run_user(user_read, 2);
    CHECK_EQUAL(last.vector, 48);
    run_user(user_write, 2);
    CHECK_EQUAL(last.error, P | W | U);
    map(0, 0, 0);
    run_user(user_jump, 2);
    CHECK_EQUAL(last.vector, PF);
    CHECK_EQUAL(last.eip, WINDOW);
    CHECK_EQUAL(last_cr2, WINDOW);
    CHECK_EQUAL(last.error, U);
}

void program_main(void)
{
    start_paging();
    error_codes();
    accessed_and_dirty();
    two_pages();
    string_stops_where_it_faults();
    translations_are_forgotten_on_request();
    large_pages();
    page_tables_are_memory();
    user_pages();
}
