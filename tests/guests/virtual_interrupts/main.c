/* VME and PVI: programs below IOPL 3 that have an interrupt flag of their own, and INT n by the redirection bitmap.
 *
 * not on QEMU
 * SDM volume 3A, sections 20.3 and 20.4; 2A and 2B, CLI, STI, PUSHF, POPF, IRET. */
#include "../lib/program_8086.h"

enum { VIF = 0x80000, VIP = 0x100000, VME = 1, PVI = 2 };
enum { HANDLER = 0x9000, REDIRECTION = 32 };

#define POP_AX 0x58
#define POP_BX 0x5B
#define PUSH(word) 0x68, (word) & 0xFF, (word) >> 8 & 0xFF
#define INT(vector) 0xCD, vector
#define TO_MONITOR INT(GATE)

#define REFUSED(eflags, at, ...)           \
    do {                                   \
        RUN(eflags, __VA_ARGS__);          \
        CHECK_EQUAL(last.vector, GP);      \
        CHECK_EQUAL(last.error, 0);        \
        CHECK_EQUAL(last.eip, at);         \
    } while (0)

#define HLT 0xF4 /* the way out for a program that has no interrupt: #GP(0) */

/* 1: the monitor's; 0: the program's own, whose handler lies at 0900:0000. */
static void give_interrupt(u32 vector, u32 to_monitor)
{
    u8 bit = 1 << (vector & 7);
    tss.bitmap[vector >> 3] = (tss.bitmap[vector >> 3] & ~bit) | (to_monitor ? bit : 0);
    ((volatile u32 *)0)[vector] = (HANDLER >> 4) << 16;
}

static void cli_and_sti_change_vif(void)
{
    REFUSED(0, 1, 0xFB, HLT);
    CHECK_EQUAL(last.eflags & (VIF | INTERRUPT), VIF);
    REFUSED(VIF, 1, 0xFA, HLT);
    CHECK_EQUAL(last.eflags & (VIF | INTERRUPT), 0);
    REFUSED(VIP, 0, 0xFB); /* the monitor has waited for that */
    REFUSED(VIP | VIF, 1, 0xFA, HLT);
    CHECK_EQUAL(last.eflags & (VIF | VIP), VIP);
    REFUSED(IOPL_3 | VIF, 1, 0xFA, HLT); /* with IOPL 3 it is IF that changes */
    CHECK_EQUAL(last.eflags & (VIF | INTERRUPT), VIF);
}

static void pushf_shows_vif_and_iopl_3(void)
{
    REFUSED(VIF, 2, 0x9C, POP_AX, HLT);
    CHECK_EQUAL(last.eax & 0xF200, 0x3200);
    REFUSED(0, 2, 0x9C, POP_AX, HLT);
    CHECK_EQUAL(last.eax & 0xF200, 0x3000);
    REFUSED(VIF, 0, 0x66, 0x9C); /* pushfd */
    REFUSED(VIF, 0, 0x66, 0x9D); /* popfd */
    REFUSED(VIF, 0, 0x66, 0xCF); /* iretd */
}

static void popf_and_iret_set_vif(void)
{
    REFUSED(0, 4, PUSH(0x7201), 0x9D, HLT);
    CHECK_EQUAL(last.eflags & (VIF | INTERRUPT | IOPL_3 | NESTED | CARRY), VIF | NESTED | CARRY);
    REFUSED(VIF, 4, PUSH(2), 0x9D, HLT);
    CHECK_EQUAL(last.eflags & (VIF | IOPL_3), 0);
    REFUSED(0, 3, PUSH(0x0102), 0x9D);   /* TF is the monitor's */
    REFUSED(VIP, 3, PUSH(0x0202), 0x9D); /* and so is the moment in which interrupts may come */
    REFUSED(VIP, 4, PUSH(2), 0x9D, HLT);
    REFUSED(0, 10, PUSH(0x7201), PUSH(SEGMENT), PUSH(10), 0xCF, HLT);
    CHECK_EQUAL(last.eflags & (VIF | INTERRUPT | IOPL_3 | NESTED | CARRY), VIF | NESTED | CARRY);
    CHECK_EQUAL(last.esp, 0x1000);
    REFUSED(0, 9, PUSH(0x0102), PUSH(SEGMENT), PUSH(10), 0xCF);
    REFUSED(VIP, 9, PUSH(0x0202), PUSH(SEGMENT), PUSH(10), 0xCF);
}

static void interrupts_go_where_the_bitmap_says(void)
{
    static const u8 handler[] = {0x9C, POP_AX, 0x89, 0xE5, 0x8B, 0x5E, 4, 0x8B, 0x4E, 2, 0xCF}; /* ax: flags, bx: pushed, cx: cs */
    for (u32 i = 0; i < sizeof handler; i++)
        ((volatile u8 *)HANDLER)[i] = handler[i];
    give_interrupt(0x21, 0);
    give_interrupt(GATE, 1);
    REFUSED(VIF, 2, INT(0x21), HLT);
    CHECK_EQUAL(last.ebx & 0xF200, 0x3200);
    CHECK_EQUAL(last.eax & 0xF200, 0x3000);
    CHECK_EQUAL(last.ecx & 0xFFFF, SEGMENT);
    CHECK_EQUAL(last.eflags & (VIF | IOPL_3), VIF);
    RUN(IOPL_3 | INTERRUPT, INT(0x21), TO_MONITOR);
    CHECK_EQUAL(last.vector, GATE);
    CHECK_EQUAL(last.ebx & 0xF200, 0x3200);
    CHECK_EQUAL(last.eax & 0xF200, 0x3000);
    REFUSED(VIF, 0, TO_MONITOR); /* below IOPL 3 the monitor's come to it as faults */
    RUN(0, 0xCC);                /* INT3 is not redirected */
    CHECK_EQUAL(last.vector, BP);
    tss.bitmap_offset = 0x10; /* the bitmap would begin before the TSS */
    REFUSED(IOPL_3, 0, INT(0x18));
    tss.bitmap_offset = 0x68 + REDIRECTION;
}

extern const u8 user_sti[], user_cli[], user_popf[];
__asm__("user_sti: sti; hlt\nuser_cli: cli; hlt\nuser_popf: pushl $0x202; popfl; pushfl; popl %eax; hlt");

static void level_3_of_protected_mode_has_vif_too(void)
{
    WRITE_CR(4, READ_CR(4) & ~VME);
    run_user(user_sti, 0);
    CHECK_EQUAL(last.eip, user_sti);
    WRITE_CR(4, READ_CR(4) | PVI);
    run_user(user_sti, 0);
    CHECK_EQUAL(last.eip, user_sti + 1);
    CHECK_EQUAL(last.eflags & (VIF | INTERRUPT), VIF);
    run_user(user_cli, VIF | INTERRUPT);
    CHECK_EQUAL(last.eip, user_cli + 1);
    CHECK_EQUAL(last.eflags & (VIF | INTERRUPT), INTERRUPT);
    run_user(user_sti, VIP);
    CHECK_EQUAL(last.eip, user_sti);
    run_user(user_popf, VIF); /* PUSHF and POPF know nothing of it */
    CHECK_EQUAL(last.eax & (VIF | INTERRUPT | IOPL_3), VIF);
    REFUSED(0, 0, 0xFB); /* nor does virtual-8086 mode */
    WRITE_CR(4, READ_CR(4) & ~PVI);
}

void program_main(void)
{
    idt[GATE] |= 0x6000ull << 32;
    idt[BP] |= 0x6000ull << 32;
    tss.bitmap_offset = 0x68 + REDIRECTION;
    REFUSED(VIF, 0, 0xFA); /* without CR4.VME */
    WRITE_CR(4, READ_CR(4) | VME);
    cli_and_sti_change_vif();
    pushf_shows_vif_and_iopl_3();
    popf_and_iret_set_vif();
    interrupts_go_where_the_bitmap_says();
    level_3_of_protected_mode_has_vif_too();
}
