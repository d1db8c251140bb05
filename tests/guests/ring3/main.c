/* Ring 3: what it may not do, how it gets out, and what it finds when it comes back.
 *
 * SDM volume 3A, sections 5.9 and 5.10; volume 1, chapter 19 (I/O permission). */
#include "../lib/check.h"

enum { GATE = 48, IOPL_3 = 0x3000 };

#define USER(name, instructions)                                                           \
    extern const u8 name[];                                                                \
    __asm__(".text\n" #name ": " instructions "; int $48")

USER(u_hlt, "hlt");
USER(u_cli, "cli");
USER(u_sti, "sti");
USER(u_lgdt, "lgdt 0x100000");
USER(u_ltr, "ltr %ax");
USER(u_clts, "clts");
USER(u_mov_cr, "movl %cr0, %eax");
USER(u_mov_dr, "movl %dr7, %eax");
USER(u_invlpg, "invlpg 0x100000");
USER(u_wrmsr, "wrmsr");
USER(u_in, "inb $0x80, %al");
USER(u_out, "outb %al, $0x80");
USER(u_out_word, "movw $0x87, %dx; outw %ax, %dx");
USER(u_int, "int $49");
USER(u_load_kernel_data, "movl $0x10, %eax; movl %eax, %ds");
USER(u_call_kernel, "lcall $0x08, $0x100000");
USER(u_popf, "pushl $0x3202; popfl; pushfl; popl %eax");
USER(u_nothing, "movl $0x12345678, %ebx; movl %esp, %ecx");
USER(u_sgdt, "subl $8, %esp; sgdt (%esp)");
USER(u_segments, "movl %ds, %eax; movl %es, %ecx; movl %fs, %edx");
USER(u_divide, "xorl %ecx, %ecx; divl %ecx");

static void privileged_instructions(void)
{
    const u8 *const refused[] = {u_hlt, u_cli, u_sti, u_lgdt, u_ltr, u_clts, u_mov_cr, u_mov_dr, u_invlpg, u_wrmsr, u_in};
    for (u32 i = 0; i < sizeof refused / sizeof *refused; i++) {
        run_user(refused[i], 2);
        CHECK_EQUAL(last.vector, GP);
        CHECK_EQUAL(last.error, 0);
        CHECK_EQUAL(last.eip, refused[i]);
        CHECK_EQUAL(last.cs, USER_CODE);
        CHECK_EQUAL(last.ss, USER_DATA);
    }
}

static void gates_and_segments(void)
{
    run_user(u_int, 2);
    CHECK_EQUAL(last.vector, GP);
    CHECK_EQUAL(last.error, 49 * 8 + 2);
    run_user(u_load_kernel_data, 2);
    CHECK_EQUAL(last.vector, GP);
    CHECK_EQUAL(last.error, DATA);
    run_user(u_call_kernel, 2);
    CHECK_EQUAL(last.vector, GP);
    CHECK_EQUAL(last.error, CODE);
    run_user(u_nothing, 2);
    CHECK_EQUAL(last.vector, GATE);
    CHECK_EQUAL(last.ebx, 0x12345678);
    CHECK_EQUAL(last.ecx, last.esp);
    run_user(u_divide, 2);
    CHECK_EQUAL(last.vector, DE);
    CHECK_EQUAL(last.eip, u_divide + 2);
    run_user(u_sgdt, 2); /* allowed, as on every processor without UMIP */
    CHECK_EQUAL(last.vector, GATE);
}

static void io_permission(void)
{
    tss.bitmap[0x80 / 8] = 0xFE; /* port 0x80 only */
    run_user(u_in, 2);
    CHECK_EQUAL(last.vector, GATE);
    run_user(u_out, 2);
    CHECK_EQUAL(last.vector, GATE);
    tss.bitmap[0x80 / 8] = 0x7F; /* port 0x87, and a word takes 0x88 too */
    run_user(u_out, 2);
    CHECK_EQUAL(last.vector, GP);
    run_user(u_out_word, 2);
    CHECK_EQUAL(last.vector, GP);
    tss.bitmap[0x88 / 8] = 0xFE;
    run_user(u_out_word, 2);
    CHECK_EQUAL(last.vector, GATE);
    tss.bitmap[0x80 / 8] = tss.bitmap[0x88 / 8] = 0xFF;
    run_user(u_out, IOPL_3 | 2);
    CHECK_EQUAL(last.vector, GATE);
}

static void flags_that_ring_3_cannot_change(void)
{
    run_user(u_popf, 2); /* POPF of IF and IOPL: silently ignored */
    CHECK_EQUAL(last.vector, GATE);
    CHECK_EQUAL(last.eax, 2);
    run_user(u_popf, IOPL_3 | 2); /* with IOPL 3, IF may be set */
    CHECK_EQUAL(last.eax, IOPL_3 | INTERRUPT | 2);
    run_user(u_sti, IOPL_3 | 2);
    CHECK_EQUAL(last.vector, GATE);
    CHECK(last.eflags & INTERRUPT);
}

static void returning_to_ring_3_drops_kernel_segments(void)
{
    __asm__ volatile("movl %0, %%fs" : : "r"(USER_DATA));
    run_user(u_segments, 2);
    CHECK_EQUAL(last.eax & 0xFFFF, 0); /* DS held a ring-0 selector: null now */
    CHECK_EQUAL(last.ecx & 0xFFFF, 0);
    CHECK_EQUAL(last.edx & 0xFFFF, USER_DATA);
}

static void the_inner_stack_comes_from_the_tss(void)
{
    extern u8 inner_stack_top[];
    run_user(u_nothing, 2);
    /* PUSHAL's ESP: below it four segment registers, vector, error code, EIP, CS, EFLAGS, ESP, SS have been pushed */
    CHECK_EQUAL(last.esp_of_pushal, (u32)inner_stack_top - 11 * 4);
}

void program_main(void)
{
    idt[GATE] |= 0x6000ull << 32;
    privileged_instructions();
    gates_and_segments();
    io_permission();
    flags_that_ring_3_cannot_change();
    returning_to_ring_3_drops_kernel_segments();
    the_inner_stack_comes_from_the_tss();
}
