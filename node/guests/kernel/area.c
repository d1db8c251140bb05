/* Everything above the kernel's first 4 MiB, mapped in reverse: the first linear page is the last physical one. A machine
 * that mixes up linear and physical addresses, or loses an entry of a page table, cannot pass unnoticed. */
#include "area.h"

#include "boot.h"
#include "paging.h"

#define AREA 0x40000000u
#define MOST_PAGES ((0xC0000000u - AREA) / PAGE)

static u32 smaller(u32 a, u32 b)
{
    return a < b ? a : b;
}

u32 area_pages(void)
{
    u32 end = boot_memory_end();
    u32 frames = end > KERNEL_SPACE ? (end - KERNEL_SPACE) / PAGE : 0;
    return smaller(smaller(frames, paging_capacity()), MOST_PAGES);
}

u32 *area_map(u32 pages)
{
    for (u32 i = 0; i < pages; i++)
        paging_map(AREA + i * PAGE, KERNEL_SPACE + (pages - 1 - i) * PAGE);
    return (u32 *)AREA;
}
