/* Virtual-8086 mode: a real-mode program under the eye of a monitor.
 *
 * SDM volume 3A, chapter 20. With IOPL 3 the 8086 program manages IF itself and its INT n goes to the monitor's gates; with
 * IOPL 0 CLI, STI, PUSHF, POPF, INT n and IRET fault. IN and OUT ask the I/O permission bitmap, whatever IOPL says. */
#include "../lib/program_8086.h"

static void segments_are_paragraphs(void)
{
    *(volatile u32 *)0x30010 = 0xCAFE1234;
    RUN(IOPL_3, 0x66, 0xA1, 0x10, 0x00,          /* mov eax, [0x10] */
        0x8C, 0xD9, 0x8C, 0xC2,                  /* mov cx, ds; mov dx, es */
        0x36, 0xC7, 0x06, 0x20, 0x00, 0xEF, 0xBE, /* mov word ss:[0x20], 0xbeef */
        0xCD, GATE);
    CHECK_EQUAL(last.vector, GATE);
    CHECK_EQUAL(last.eax, 0xCAFE1234);
    CHECK_EQUAL(last.ecx & 0xFFFF, 0x3000);
    CHECK_EQUAL(last.edx & 0xFFFF, 0x5000);
    CHECK_EQUAL(*(volatile u16 *)0x40020, 0xBEEF);
}

static void the_monitor_gets_the_whole_frame(void)
{
    RUN(IOPL_3, 0xCD, GATE);
    CHECK_EQUAL(last.eip, 2);
    CHECK_EQUAL(last.cs & 0xFFFF, SEGMENT);
    CHECK(last.eflags & VM);
    CHECK_EQUAL(last.esp, 0x1000);
    CHECK_EQUAL(last.ss & 0xFFFF, 0x4000);
    CHECK_EQUAL(last.v_es & 0xFFFF, 0x5000);
    CHECK_EQUAL(last.v_ds & 0xFFFF, 0x3000);
    CHECK_EQUAL(last.v_fs & 0xFFFF, 0x6000);
    CHECK_EQUAL(last.v_gs & 0xFFFF, 0x7000);
    CHECK_EQUAL(last.ds & 0xFFFF, 0); /* null for the monitor, so that no paragraph number is taken for a selector */
    CHECK_EQUAL(last.gs & 0xFFFF, 0);
}

static void sensitive_instructions_fault_below_iopl_3(void)
{
    static const u8 sensitive[][2] = {{0xFA, 0}, {0xFB, 0}, {0x9C, 0}, {0x9D, 0}, {0xCD, GATE}, {0xCF, 0}};
    for (u32 i = 0; i < sizeof sensitive / sizeof *sensitive; i++) {
        run_8086(sensitive[i], 2, 0);
        CHECK_EQUAL(last.vector, GP);
        CHECK_EQUAL(last.error, 0);
        CHECK_EQUAL(last.eip, 0);
        CHECK(last.eflags & VM);
    }
}

static void with_iopl_3_the_program_owns_if_but_not_iopl(void)
{
    RUN(IOPL_3, 0xFB, 0x9C, 0x58, 0xFA, 0x9C, 0x5B, 0xCD, GATE); /* sti; pushf; pop ax; cli; pushf; pop bx */
    CHECK_EQUAL(last.vector, GATE);
    CHECK_EQUAL(last.eax & 0x3200, 0x3200);
    CHECK_EQUAL(last.ebx & 0x3200, 0x3000);
    RUN(IOPL_3, 0x68, 0x02, 0x00, 0x9D, 0x9C, 0x58, 0xCD, GATE); /* push 2; popf; pushf; pop ax */
    CHECK_EQUAL(last.eax & 0x3000, 0x3000);
    CHECK(last.eflags & VM);
}

static void ports_ask_the_bitmap_whatever_iopl_says(void)
{
    RUN(IOPL_3, 0xE6, 0x80, 0xCD, GATE); /* out 0x80, al */
    CHECK_EQUAL(last.vector, GP);
    tss.bitmap[0x80 / 8] = 0xFE;
    RUN(0, 0xE6, 0x80, 0xF4);
    CHECK_EQUAL(last.vector, GP); /* at the HLT */
    CHECK_EQUAL(last.eip, 2);
    tss.bitmap[0x80 / 8] = 0xFF;
}

static void protected_mode_instructions_are_undefined(void)
{
    RUN(IOPL_3, 0x0F, 0x00, 0xC8); /* str ax */
    CHECK_EQUAL(last.vector, UD);
    RUN(IOPL_3, 0x0F, 0x02, 0xC3); /* lar ax, bx */
    CHECK_EQUAL(last.vector, UD);
    RUN(IOPL_3, 0x63, 0xC3); /* arpl bx, ax */
    CHECK_EQUAL(last.vector, UD);
    RUN(IOPL_3, 0x0F, 0x20, 0xC0); /* mov eax, cr0 */
    CHECK_EQUAL(last.vector, GP);
    RUN(IOPL_3, 0x0F, 0x01, 0xE0, 0xCD, GATE); /* smsw ax: allowed */
    CHECK_EQUAL(last.vector, GATE);
    CHECK(last.eax & 1);
}

static void calls_stay_in_sixteen_bits(void)
{
    RUN(IOPL_3, 0x9A, 0x10, 0x00, 0x00, 0x20, 0xCD, GATE, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* call 2000:0010; int */
        0x89, 0xE0, 0x55, 0x89, 0xE5, 0x8B, 0x5E, 0x02, 0x8B, 0x4E, 0x04, 0x5D, 0xCB); /* ax=sp, bx=[ret], cx=[cs], retf */
    CHECK_EQUAL(last.vector, GATE);
    CHECK_EQUAL(last.eax & 0xFFFF, 0x0FFC);
    CHECK_EQUAL(last.ebx & 0xFFFF, 5);
    CHECK_EQUAL(last.ecx & 0xFFFF, SEGMENT);
    CHECK_EQUAL(last.esp, 0x1000);
}

void program_main(void)
{
    idt[GATE] |= 0x6000ull << 32;
    segments_are_paragraphs();
    the_monitor_gets_the_whole_frame();
    sensitive_instructions_fault_below_iopl_3();
    with_iopl_3_the_program_owns_if_but_not_iopl();
    ports_ask_the_bitmap_whatever_iopl_says();
    protected_mode_instructions_are_undefined();
    calls_stay_in_sixteen_bits();
}
