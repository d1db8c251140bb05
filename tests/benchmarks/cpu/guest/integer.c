/* integer: a loop of register arithmetic, with a branch that is taken half of the time in no order. */
#include "program.h"
#include "workload.h"

enum { ITERATIONS = 100000 };

static void prepare(void)
{
}

static u32 round(u32 number)
{
    u32 x = FIRST_RANDOM, a = number, b = 1;
    for (u32 i = 0; i < ITERATIONS; i++) {
        x = next_random(x);
        a += x ^ b;
        b = rotate_left(b, 7) - a;
        if ((int)x < 0)
            b ^= a >> 3;
        else
            a = a * 5 + i;
    }
    return a ^ b;
}

static int run(void)
{
    return program_run("integer", prepare, round);
}

const struct workload workload_integer = {"integer", "n", "register arithmetic and branches", run};
