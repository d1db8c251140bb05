/* What the programs share: a measured run of equal rounds, and the generator of their data. */
#pragma once

#include "types.h"

/* `prepare`, then `n=` rounds between the lines "begin NAME" and "end NAME CHECKSUM TICKS", which a host can time without
 * the start of the machine. CHECKSUM folds what the rounds return; TICKS is the guest's own clock, in 1/100 s. */
int program_run(const char *name, void (*prepare)(void), u32 (*round)(u32 number));

/* For a program that this CPU lacks an instruction for: says so, instead of begin and end. */
int program_not_available(const char *name, const char *missing);

#define FIRST_RANDOM 2463534242u

static inline u32 next_random(u32 x)
{
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}

static inline u32 rotate_left(u32 value, u32 bits)
{
    return value << bits | value >> (32 - bits);
}
