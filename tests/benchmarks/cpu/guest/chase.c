/* chase: through 64 MiB along pointers that form one cycle over all its cache lines, in no order: each step misses the
 * processor's TLB, and the host's caches too. */
#include "area.h"
#include "finish.h"
#include "print.h"
#include "program.h"
#include "workload.h"

enum { LINES = 1 << 20, LINE_BYTES = 64, PAGES = LINES / (4096 / LINE_BYTES), STEPS = 100000 };

struct line {
    struct line *next;
    u32 others[LINE_BYTES / 4 - 1];
};

static struct line *lines, *at;

/* Sattolo's shuffle of the identity: a permutation of a single cycle. */
static void prepare(void)
{
    u32 x = FIRST_RANDOM;
    at = lines = (struct line *)area_map(PAGES);
    for (u32 i = 0; i < LINES; i++)
        lines[i].next = &lines[i];
    for (u32 i = LINES - 1; i; i--) {
        x = next_random(x);
        struct line *other = &lines[x % i], *swapped = lines[i].next;
        lines[i].next = other->next;
        other->next = swapped;
    }
}

static u32 round(u32 number)
{
    for (u32 step = 0; step < STEPS; step++)
        at = at->next;
    return (u32)(at - lines) + number;
}

static int run(void)
{
    if (area_pages() < PAGES) {
        print("chase needs %u KiB of memory above the kernel's; there are %u\n", PAGES * 4, area_pages() * 4);
        return FAILED;
    }
    return program_run("chase", prepare, round);
}

const struct workload workload_chase = {"chase", "n", "pointers through 64 MiB, a TLB miss a step", run};
