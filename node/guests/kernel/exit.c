/* exit: end at once. */
#include "finish.h"
#include "options.h"
#include "print.h"
#include "workload.h"

static int run(void)
{
    u32 code = option_number("code", 0);
    if (code > 0xFF) {
        print("exit: code=%u does not fit in a byte\n", code);
        return FAILED;
    }
    finish_by_exit((u8)code);
    return GOOD;
}

const struct workload workload_exit = {"exit", "code", "writes code=V to the debug-exit port at once", run};
