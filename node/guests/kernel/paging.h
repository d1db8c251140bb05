/* 32-bit paging with 4 KiB pages. */
#pragma once

#include "types.h"

/* The kernel and its page tables live in the first 4 MiB, which are mapped one to one; memory above is free. */
#define KERNEL_SPACE 0x400000u

void paging_start(void);

/* Map the page at `linear` (KERNEL_SPACE or above) to the physical page `frame`, writable. */
void paging_map(u32 linear, u32 frame);

/* How many pages paging_map can map before page tables run out. */
u32 paging_capacity(void);
