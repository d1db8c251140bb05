/* recursion: Fibonacci's and Takeuchi's functions as their definitions say, nothing but calls and returns. */
#include "program.h"
#include "workload.h"

/* noipa: each call in the source is a call in the program. */
#define AS_WRITTEN __attribute__((noipa, optimize("no-optimize-sibling-calls")))

static AS_WRITTEN u32 fibonacci(u32 n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static AS_WRITTEN int takeuchi(int x, int y, int z)
{
    if (y >= x)
        return z;
    return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

static void prepare(void)
{
}

static u32 round(u32 number)
{
    return fibonacci(20) + (u32)takeuchi(14, 9, 4) + number;
}

static int run(void)
{
    return program_run("recursion", prepare, round);
}

const struct workload workload_recursion = {"recursion", "n", "recursive calls", run};
