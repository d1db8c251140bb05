/* Matrices of doubles, for the two floating-point units: their content, and the fold of a product. */
#pragma once

#include "program.h"

enum { SIZE = 64 };

struct matrices {
    double a[SIZE][SIZE], b[SIZE][SIZE], product[SIZE][SIZE];
} __attribute__((aligned(16)));

/* Fractions of either sign with 32 significant bits, so that products are rounded and sums too. */
static inline void matrices_fill(struct matrices *matrices)
{
    u32 x = FIRST_RANDOM;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            x = next_random(x);
            matrices->a[i][j] = (double)(int)x / 65536;
            x = next_random(x);
            matrices->b[i][j] = (double)(int)x / 3;
        }
}

static inline u32 matrices_fold(const struct matrices *matrices)
{
    u32 folded = 0;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            union {
                double value;
                u32 words[2];
            } bits = {matrices->product[i][j]};
            folded = (folded * 31 + bits.words[0]) * 31 + bits.words[1];
        }
    return folded;
}
