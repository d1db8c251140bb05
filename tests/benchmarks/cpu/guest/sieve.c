/* sieve: the primes below a million, one byte a number. */
#include "area.h"
#include "memory.h"
#include "program.h"
#include "workload.h"

enum { LIMIT = 1000000 };

static u8 *composite;

static void prepare(void)
{
    composite = (u8 *)area_map((LIMIT + PAGE - 1) / PAGE);
}

static u32 round(u32 number)
{
    u32 primes = 0;
    memset(composite, 0, LIMIT);
    for (u32 i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        primes++;
        if (i <= LIMIT / i)
            for (u32 multiple = i * i; multiple < LIMIT; multiple += i)
                composite[multiple] = 1;
    }
    return primes + number;
}

static int run(void)
{
    return program_run("sieve", prepare, round);
}

const struct workload workload_sieve = {"sieve", "n", "the primes below a million", run};
