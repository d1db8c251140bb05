/* Time: the count of the PIT's interrupts. Nothing else in the kernel knows a clock. */
#pragma once

#include "types.h"

#define TICKS_PER_SECOND 100u

void timer_start(void);

/* Interrupts counted since timer_start. */
u32 timer_ticks(void);

/* Sleep until the count is no longer `seen`; return the new count. */
u32 timer_wait(u32 seen);
