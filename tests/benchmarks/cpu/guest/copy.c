/* copy: REP MOVS of words, REP MOVS of bytes at odd addresses, and a copy in a loop. */
#include "area.h"
#include "memory.h"
#include "program.h"
#include "workload.h"

enum { BYTES = 512 * 1024, WORDS = BYTES / 4, ODD_BYTES = 64 * 1024, LOOP_WORDS = 16384, SAMPLES = 64 };

static u32 *here, *there;

static void prepare(void)
{
    u32 x = FIRST_RANDOM;
    here = area_map(2 * BYTES / PAGE);
    there = here + WORDS;
    for (u32 i = 0; i < WORDS; i++)
        here[i] = x = next_random(x);
}

static void copy_words(u32 *target, const u32 *source, u32 words)
{
    __asm__ volatile("rep movsl" : "+D"(target), "+S"(source), "+c"(words) : : "memory");
}

/* The loop stays one: no call of memcpy, no vector. */
static __attribute__((optimize("no-tree-loop-distribute-patterns"))) void copy_in_loop(u32 *target, const u32 *source)
{
    for (u32 i = 0; i < LOOP_WORDS; i++)
        target[i] = source[i];
}

static u32 round(u32 number)
{
    u32 sum = 0;
    copy_words(there, here, WORDS);
    memcpy((u8 *)here + 1, (const u8 *)there + 2, ODD_BYTES); /* memory.c: REP MOVSB */
    copy_in_loop(here + WORDS / 2, there + 3 * LOOP_WORDS);
    here[number % WORDS] += number;
    for (u32 i = 0; i < SAMPLES; i++)
        sum = sum * 31 + here[(number * 97 + i * (WORDS / SAMPLES)) % WORDS];
    return sum;
}

static int run(void)
{
    return program_run("copy", prepare, round);
}

const struct workload workload_copy = {"copy", "n", "copying by REP MOVS and in a loop", run};
