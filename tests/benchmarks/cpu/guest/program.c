#include "program.h"

#include "finish.h"
#include "options.h"
#include "print.h"
#include "timer.h"

int program_run(const char *name, void (*prepare)(void), u32 (*round)(u32 number))
{
    u32 rounds = option_number("n", 1), checksum = 0;
    prepare();
    print("begin %s\n", name);
    u32 begun = timer_ticks();
    for (u32 number = 0; number < rounds; number++)
        checksum = checksum * 31 + round(number);
    print("end %s %x %u\n", name, checksum, timer_ticks() - begun);
    return GOOD;
}

int program_not_available(const char *name, const char *missing)
{
    print("%s not available: no %s\n", name, missing);
    return GOOD;
}
