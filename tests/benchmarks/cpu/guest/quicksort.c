/* quicksort: 32768 words in no order, sorted in place. */
#include "memory.h"
#include "program.h"
#include "workload.h"

enum { WORDS = 32768, SHORT = 12 };

static u32 words[WORDS];

static void prepare(void)
{
}

static void insert(u32 *first, u32 *last)
{
    for (u32 *each = first + 1; each <= last; each++) {
        u32 value = *each, *hole = each;
        for (; hole > first && hole[-1] > value; hole--)
            *hole = hole[-1];
        *hole = value;
    }
}

static void sort(u32 *first, u32 *last)
{
    while (last - first > SHORT) {
        u32 pivot = first[(last - first) / 2], *left = first, *right = last;
        while (left <= right) {
            while (*left < pivot)
                left++;
            while (*right > pivot)
                right--;
            if (left <= right) {
                u32 swapped = *left;
                *left++ = *right;
                *right-- = swapped;
            }
        }
        sort(first, right);
        first = left;
    }
    insert(first, last);
}

static u32 round(u32 number)
{
    u32 x = FIRST_RANDOM + number, sum = 0;
    for (u32 i = 0; i < WORDS; i++)
        words[i] = x = next_random(x);
    sort(words, words + WORDS - 1);
    for (u32 i = 0; i < WORDS; i++)
        sum += words[i] * (i + 1);
    return sum;
}

static int run(void)
{
    return program_run("quicksort", prepare, round);
}

const struct workload workload_quicksort = {"quicksort", "n", "sorting words", run};
