/* The instructions that C has no words for: port I/O, the interrupt flag, HLT. */
#pragma once

#include "types.h"

static inline void out8(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 in8(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

/* STI takes effect after the next instruction, so no interrupt can slip in between the two: called with interrupts
 * off, this sleeps until one arrives, even if it is pending already. */
static inline void sleep_until_interrupt(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}
