/* syscalls: ring 3 calls ring 0 by INT 0x80 for next to nothing, 3000 times a round. */
#include "program.h"
#include "user.h"
#include "workload.h"

enum { TURNS = 1000 };

extern const u8 user_calls[];

static void prepare(void)
{
    user_start(2);
}

static u32 round(u32 number)
{
    return user_run(user_calls, number, TURNS, 0);
}

static int run(void)
{
    return program_run("syscalls", prepare, round);
}

const struct workload workload_syscalls = {"syscalls", "n", "INT 0x80 from ring 3 and back", run};
