/* COM1: the console. */
#pragma once

#include "types.h"

void serial_start(void);
void serial_write(char byte);

/* The next byte received, or -1 when none is waiting. Call with interrupts off. */
int serial_read(void);
