/* A GDT of our own: Multiboot only promises flat segment registers, not that the table behind them may be used. */
#include "segments.h"

#include "types.h"

static const u64 table[] = {
    0,
    0x00CF9B000000FFFF, /* code: base 0, limit 4 GiB, 32-bit, ring 0, accessed (this table is in a read-only page) */
    0x00CF93000000FFFF, /* data: the same, read and write */
};

void segments_start(void)
{
    const struct {
        u16 limit;
        const u64 *base;
    } __attribute__((packed)) pointer = {sizeof table - 1, table};

    __asm__ volatile("lgdt %0\n\t"
                     "ljmp %1, $1f\n"
                     "1:\tmovl %2, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs\n\t"
                     "movl %%eax, %%ss"
                     :
                     : "m"(pointer), "i"(CODE_SELECTOR), "i"(DATA_SELECTOR)
                     : "eax", "memory");
}
