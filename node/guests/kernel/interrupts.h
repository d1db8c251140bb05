/* Interrupts and exceptions: the IDT and the pair of 8259s. */
#pragma once

#include "types.h"

void interrupts_start(void);

/* From now on `handle` is called, with interrupts off, for each interrupt on line `irq`. */
void interrupt_route(u32 irq, void (*handle)(void));
