/* The first 4 MiB one to one: page 0 absent, so that a null pointer faults; code and constants read-only, for the
 * kernel too (CR0.WP). Further page tables are taken from behind the kernel, still inside the first 4 MiB. */
#include "paging.h"

#include "finish.h"
#include "memory.h"
#include "print.h"

enum { PRESENT = 1, WRITABLE = 2, ENTRIES = 1024 };

#define CR0_WRITE_PROTECT 0x00010000u
#define CR0_PAGING 0x80000000u

extern u8 kernel_start[], kernel_writable[], kernel_end[]; /* kernel.ld */

static u32 directory[ENTRIES] __attribute__((aligned(PAGE)));
static u32 first_table[ENTRIES] __attribute__((aligned(PAGE)));
static u32 next_table = (u32)kernel_end;

static int is_read_only(u32 address)
{
    return address >= (u32)kernel_start && address < (u32)kernel_writable;
}

void paging_start(void)
{
    for (u32 page = 1; page < ENTRIES; page++)
        first_table[page] = page * PAGE | PRESENT | (is_read_only(page * PAGE) ? 0 : WRITABLE);
    directory[0] = (u32)first_table | PRESENT | WRITABLE;

    u32 cr0;
    __asm__ volatile("movl %0, %%cr3" : : "r"(directory) : "memory");
    __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movl %0, %%cr0" : : "r"(cr0 | CR0_PAGING | CR0_WRITE_PROTECT) : "memory");
}

static u32 *new_table(void)
{
    if (next_table + PAGE > KERNEL_SPACE) {
        print("paging: no room for another page table\n");
        finish(FAILED);
    }
    u32 *table = (u32 *)next_table;
    next_table += PAGE;
    memset(table, 0, PAGE);
    return table;
}

void paging_map(u32 linear, u32 frame)
{
    u32 *entry = &directory[linear >> 22];
    if (!*entry)
        *entry = (u32)new_table() | PRESENT | WRITABLE;
    u32 *table = (u32 *)(*entry & ~(PAGE - 1));
    table[linear / PAGE % ENTRIES] = frame | PRESENT | WRITABLE;
    __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

u32 paging_capacity(void)
{
    return (KERNEL_SPACE - next_table) / PAGE * ENTRIES;
}
