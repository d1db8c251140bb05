#include "pattern.h"

#include "print.h"

struct series {
    u32 base, step, sum;
};

static struct series series_of(u32 page, u32 generation, u32 words)
{
    u32 mixed = page * 0x9E3779B1u ^ generation * 0x85EBCA77u;
    mixed ^= mixed >> 15;
    mixed *= 0x2C1B3C6Du;
    mixed ^= mixed >> 12;
    u32 base = mixed, step = mixed * 0x297A2D39u | 1, terms = words - 3;
    /* 2 + 3 + ... + (words - 2) = words * (words - 3) / 2 */
    return (struct series){base, step, page + generation + terms * base + words * terms / 2 * step};
}

void pattern_write(u32 *memory, u32 page, u32 generation, u32 words)
{
    struct series series = series_of(page, generation, words);
    u32 value = series.base + 2 * series.step;
    memory[0] = page;
    memory[1] = generation;
#pragma GCC unroll 8 /* the guest's rate is bound by these two loops, and the CPU under it may be an interpreter */
    for (u32 i = 2; i < words - 1; i++, value += series.step)
        memory[i] = value;
    memory[words - 1] = series.sum;
}

u32 pattern_check(const u32 *memory, u32 page, u32 generation, u32 words)
{
    struct series series = series_of(page, generation, words);
    u32 value = series.base + 2 * series.step;
    if (memory[0] != page)
        return 0;
    if (memory[1] != generation)
        return 1;
#pragma GCC unroll 8
    for (u32 i = 2; i < words - 1; i++, value += series.step)
        if (memory[i] != value)
            return i;
    return memory[words - 1] == series.sum ? words : words - 1;
}

static int is_zero(const u32 *memory, u32 words)
{
    for (u32 i = 0; i < words; i++)
        if (memory[i])
            return 0;
    return 1;
}

static const char *verdict(const u32 *memory, u32 page, u32 generation, u32 words)
{
    if (is_zero(memory, words))
        return "lost: all zeros";
    if (pattern_check(memory, memory[0], memory[1], words) < words)
        return "corrupt: no pattern at all";
    if (memory[0] != page)
        return "misplaced: another page's content";
    return (int)(memory[1] - generation) < 0 ? "stale: an older content" : "repeated: written more often than counted";
}

void pattern_report(const u32 *memory, u32 page, u32 generation, u32 words)
{
    print("ERROR page=%u expected page=%u generation=%u found page=%u generation=%u word=%u (%s)\n", page, page,
          generation, memory[0], memory[1], pattern_check(memory, page, generation, words),
          verdict(memory, page, generation, words));
}
