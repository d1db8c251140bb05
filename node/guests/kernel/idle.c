/* idle: sleep, woken only by the timer. */
#include "print.h"
#include "timer.h"
#include "workload.h"

static int run(void)
{
    print("idle: ready\n");
    for (u32 ticks = timer_ticks();;)
        ticks = timer_wait(ticks);
    __builtin_unreachable();
}

const struct workload workload_idle = {"idle", "", "sleeps for ever; prints 'idle: ready' once", run};
