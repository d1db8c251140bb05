/* The memory that a workload works on. */
#pragma once

#include "types.h"

/* How many pages the guest's memory allows. */
u32 area_pages(void);

/* Map `pages` pages, at most area_pages(), at consecutive linear addresses; call once. */
u32 *area_map(u32 pages);
