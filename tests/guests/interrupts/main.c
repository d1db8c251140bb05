/* Interrupts through the 8259 and the 8254: when they come, and when they do not.
 *
 * SDM volume 2, STI, MOV and POP SS, HLT; volume 3A, section 6.8. */
#include "../lib/check.h"

enum { TIMER = 32 };

static volatile u32 ticks;
static volatile struct frame at;

static void tick(struct frame *frame)
{
    ticks++;
    at.eip = frame->eip;
    at.eflags = frame->eflags;
    out8(0x20, 0x20);
}

static void mask(u8 lines)
{
    out8(0x21, lines);
}

static u8 requested(void)
{
    out8(0x20, 0x0A);
    return in8(0x20) & 1;
}

/* One interrupt of the timer, about `count` / 1.19 microseconds from now. */
static void arm(u16 count)
{
    out8(0x43, 0x30); /* channel 0, mode 0 */
    out8(0x40, (u8)count);
    out8(0x40, count >> 8);
}

static void wait_until_requested(void)
{
    while (!requested())
        ;
}

static void start(void)
{
    static const u8 master[] = {TIMER, 4, 1}, slave[] = {TIMER + 8, 2, 1};
    out8(0x20, 0x11);
    out8(0xA0, 0x11);
    for (u32 i = 0; i < 3; i++) {
        out8(0x21, master[i]);
        out8(0xA1, slave[i]);
    }
    mask(0xFE);
    out8(0xA1, 0xFF);
    hooks[TIMER] = tick;
}

static void halt_wakes(void)
{
    arm(2000);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    CHECK_EQUAL(ticks, 1);
    CHECK(at.eflags & INTERRUPT);
}

static void nothing_comes_while_interrupts_are_off(void)
{
    arm(100);
    wait_until_requested();
    CHECK_EQUAL(ticks, 1);
    mask(0xFF);
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK_EQUAL(ticks, 1); /* masked in the 8259 */
    mask(0xFE);
    __asm__ volatile("sti; nop; cli" : : : "memory");
    CHECK_EQUAL(ticks, 2);
}

static void sti_lets_one_more_instruction_run(void)
{
    extern const u8 behind[];
    arm(100);
    wait_until_requested();
    __asm__ volatile("sti; nop; behind: nop; cli" : : : "memory");
    CHECK_EQUAL(ticks, 3);
    CHECK_EQUAL(at.eip, behind);
    arm(100);
    wait_until_requested();
    __asm__ volatile("sti; cli" : : : "memory"); /* no window at all */
    CHECK_EQUAL(ticks, 3);
    __asm__ volatile("sti; nop; cli" : : : "memory");
    CHECK_EQUAL(ticks, 4);
}

static void popf_and_iret_have_no_shadow(void)
{
    extern const u8 after_popf[];
    arm(100);
    wait_until_requested();
    __asm__ volatile("pushl $0x202; popfl; after_popf: cli" : : : "memory");
    CHECK_EQUAL(ticks, 5);
    CHECK_EQUAL(at.eip, after_popf);
}

static void loading_ss_holds_even_the_trap_for_one_instruction(void)
{
    extern const u8 behind_ss[];
    TRY("pushl $0x102; popfl; movl %0, %%ss; nop; behind_ss: nop", "a"(DATA));
    CHECK_EQUAL(last.vector, DB);
    CHECK_EQUAL(last.eip, behind_ss);
}

static void a_long_string_instruction_is_interrupted_and_goes_on(void)
{
    static u8 memory[1 << 20];
    u32 before = ticks;
    void *target = memory;
    u32 count = sizeof memory;
    arm(100);
    wait_until_requested();
    __asm__ volatile("sti; rep stosb; cli" : "+D"(target), "+c"(count) : "a"(0x5A) : "memory");
    CHECK_EQUAL(ticks, before + 1);
    CHECK_EQUAL(count, 0);
    CHECK_EQUAL((u32)target, (u32)memory + sizeof memory);
    CHECK_EQUAL(memory[sizeof memory - 1], 0x5A);
}

void program_main(void)
{
    start();
    halt_wakes();
    nothing_comes_while_interrupts_are_off();
    sti_lets_one_more_instruction_run();
    popf_and_iret_have_no_shadow();
    loading_ss_holds_even_the_trap_for_one_instruction();
    a_long_string_instruction_is_interrupted_and_goes_on();
}
