/* How the guest ends. */
#pragma once

#include "types.h"

enum { GOOD = 0, FAILED = 1 };

/* From now on a good end writes `value` to the debug-exit port, and a failed one 0x7f. */
void finish_by_exit(u8 value);

/* End the guest: through the debug-exit port if finish_by_exit was called, else halted with interrupts off. */
void finish(int outcome) __attribute__((noreturn));
