#include "finish.h"

#include "ports.h"
#include "print.h"

enum { DEBUG_EXIT = 0xF4, FAILED_VALUE = 0x7F };

static int exits;
static u8 good_value;

void finish_by_exit(u8 value)
{
    exits = 1;
    good_value = value;
}

void finish(int outcome)
{
    interrupts_off();
    if (exits) {
        out8(DEBUG_EXIT, outcome == GOOD ? good_value : FAILED_VALUE);
        print("no debug-exit device at port 0xf4; "); /* still here */
    }
    print("halted\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}
