/* Alignment checks: in ring 3 only, with CR0.AM and EFLAGS.AC both set, on data only.
 *
 * not on QEMU
 * SDM volume 3A, section 6.15, interrupt 17. */
#include "../lib/check.h"

enum { GATE = 48, AC_FLAG = 0x40000, AM = 0x40000 };

#define USER(name, instructions) \
    extern const u8 name[];      \
    __asm__(".text\n" #name ": movl $0x23, %ecx; movl %ecx, %ds; " instructions "; int $48")

USER(u_double_word, "movl 0x100001, %eax");
USER(u_word, "movw 0x100001, %ax");
USER(u_byte, "movb 0x100001, %al");
USER(u_aligned, "movl 0x100004, %eax");
USER(u_stack, "decl %esp; pushl %eax");

static void nothing_happens(const u8 *code, u32 flags)
{
    run_user(code, flags | 2);
    CHECK_EQUAL(last.vector, GATE);
}

static void it_faults(const u8 *code)
{
    run_user(code, AC_FLAG | 2);
    CHECK_EQUAL(last.vector, AC);
    CHECK_EQUAL(last.error, 0);
}

void program_main(void)
{
    idt[GATE] |= 0x6000ull << 32; /* callable from ring 3 */
    nothing_happens(u_double_word, AC_FLAG); /* CR0.AM is clear */
    WRITE_CR(0, READ_CR(0) | AM);
    nothing_happens(u_double_word, 0);
    nothing_happens(u_byte, AC_FLAG);
    nothing_happens(u_aligned, AC_FLAG);
    it_faults(u_double_word);
    it_faults(u_word);
    it_faults(u_stack);
    EXPECT_NONE("pushl $0x40000; popfl; movl 0x100001, %%eax", "a"(0)); /* ring 0 */
}
