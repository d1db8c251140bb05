/* tick: a numbered line each second, so that lost or repeated output shows. */
#include "finish.h"
#include "options.h"
#include "print.h"
#include "timer.h"
#include "workload.h"

static int run(void)
{
    u32 count = option_number("count", OPTION_MAX), due = timer_ticks();
    for (u32 line = 1; line <= count; line++) {
        due += TICKS_PER_SECOND;
        for (u32 now = timer_ticks(); (int)(now - due) < 0;)
            now = timer_wait(now);
        print("tick %u\n", line);
        if (line == OPTION_MAX)
            break;
    }
    return GOOD;
}

const struct workload workload_tick = {"tick", "count", "prints 'tick N' each second; ends after count=N lines", run};
