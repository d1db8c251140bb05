/* page-faults: ring 3 reads and then writes pages that are absent, then read-only; ring 0 maps them at each fault. */
#include "finish.h"
#include "print.h"
#include "program.h"
#include "user.h"
#include "workload.h"

enum { PAGES = 256, PRESENT = 1, WRITABLE = 2 };

static u8 *pages;
static u32 faults;

extern const u8 user_touches[];

static void handle(u32 linear)
{
    if (linear - (u32)pages >= PAGES * PAGE) {
        print("page-faults: ring 3 touched %x, which it must not\n", linear);
        finish(FAILED);
    }
    u32 *entry = user_page_entry(linear);
    *entry |= *entry & PRESENT ? WRITABLE : PRESENT;
    __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory");
    faults++;
}

static void prepare(void)
{
    pages = user_start(2 + PAGES);
    user_on_page_fault(handle);
    for (u32 i = 0; i < PAGES; i++)
        *(u32 *)(pages + i * PAGE) = i;
}

static void unmap(void)
{
    for (u32 linear = (u32)pages; linear < (u32)pages + PAGES * PAGE; linear += PAGE) {
        *user_page_entry(linear) &= ~(u32)(PRESENT | WRITABLE);
        __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory");
    }
}

static u32 round(u32 number)
{
    unmap();
    return user_run(user_touches, number, PAGES, pages) + faults;
}

static int run(void)
{
    return program_run("page-faults", prepare, round);
}

const struct workload workload_page_faults = {"page-faults", "n", "faults of ring 3, two a page", run};
