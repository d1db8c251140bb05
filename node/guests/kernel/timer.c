#include "timer.h"

#include "interrupts.h"
#include "ports.h"

enum { CHANNEL_0 = 0x40, CONTROL = 0x43, RATE_GENERATOR = 0x34, INPUT_HZ = 1193182, IRQ = 0 };

static volatile u32 ticks;

static void count(void)
{
    ticks++;
}

void timer_start(void)
{
    const u32 divisor = (INPUT_HZ + TICKS_PER_SECOND / 2) / TICKS_PER_SECOND;
    out8(CONTROL, RATE_GENERATOR);
    out8(CHANNEL_0, (u8)divisor);
    out8(CHANNEL_0, (u8)(divisor >> 8));
    interrupt_route(IRQ, count);
}

u32 timer_ticks(void)
{
    return ticks;
}

u32 timer_wait(u32 seen)
{
    interrupts_off();
    while (ticks == seen) {
        sleep_until_interrupt();
        interrupts_off();
    }
    interrupts_on();
    return ticks;
}
