/* An 8086 program under a monitor that is a test: 16-bit code at 2000:0000 in virtual-8086 mode. */
#ifndef PROGRAM_8086_H
#define PROGRAM_8086_H
#include "check.h"

enum { SEGMENT = 0x2000, IOPL_3 = 0x3000, GATE = 48 }; /* GATE: the vector by which the program comes back */

static u8 *const program = (u8 *)(SEGMENT << 4);

/* Put the code there and run it with ES = 5000, DS = 3000, SS:SP = 4000:1000. */
static void run_8086(const u8 *code, u32 bytes, u32 eflags)
{
    for (u32 i = 0; i < bytes; i++)
        ((volatile u8 *)program)[i] = code[i];
    const u32 frame[] = {0, SEGMENT, VM | eflags | 2, 0x1000, 0x4000, 0x5000, 0x3000, 0x6000, 0x7000};
    last.vector = NO_FAULT;
    enter(frame, 9);
}

#define RUN(eflags, ...)                         \
    do {                                         \
        static const u8 code_[] = {__VA_ARGS__}; \
        run_8086(code_, sizeof code_, eflags);   \
    } while (0)

#endif
