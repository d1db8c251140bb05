/* The local APIC and the I/O APIC: registers, priorities, the timer, pins, messages, edges and levels.
 *
 * SDM volume 3A, chapter 10; 82093AA data sheet. Paging is off, so the registers are where they are. */
#include "../lib/check.h"

enum { LOW = 0x21, MIDDLE = 0x31, HIGH = 0x35, TIMER = 0x32, LINE = 0x33, PIC = 0x28 };
enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xA0, EOI = 0xB0, LDR = 0xD0, DFR = 0xE0, SVR = 0xF0 };
enum { ISR = 0x100, TMR = 0x180, IRR = 0x200, ICR = 0x300, ICR_HIGH = 0x310 };
enum { LVT_TIMER = 0x320, LINT0 = 0x350, LINT1 = 0x360, LVT_ERROR = 0x370, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3E0 };
enum { MASKED = 0x10000, PERIODIC = 0x20000, LEVEL = 0x8000, REMOTE_IRR = 0x4000, EXTINT = 0x700, SELF = 0x40000 };
enum { BY_1 = 0xB, BY_16 = 3, PIN = 2 };

#define APIC(offset) (*(volatile u32 *)(0xFEE00000u + (offset)))
#define SELECT (*(volatile u32 *)0xFEC00000u)
#define WINDOW (*(volatile u32 *)0xFEC00010u)

static volatile u32 taken[16], count, service[16], nmis;
static int ends = 1;

static u32 bit_of(u32 bank, u32 vector)
{
    return APIC(bank + 16 * (vector / 32)) >> (vector % 32) & 1;
}

static void note(struct frame *frame)
{
    service[count & 15] = bit_of(ISR, frame->vector);
    taken[count++ & 15] = frame->vector;
    if (ends)
        APIC(EOI) = 0;
}

static void note_pic(struct frame *frame)
{
    taken[count++ & 15] = frame->vector;
    out8(0x20, 0x20);
}

static void note_nmi(struct frame *frame)
{
    (void)frame;
    nmis++;
}

static void window_of_interrupts(void)
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static void send(u32 command)
{
    APIC(ICR) = command;
}

static void start(void)
{
    static const u8 words[] = {PIC, 4, 1};
    out8(0x20, 0x11);
    for (u32 i = 0; i < 3; i++)
        out8(0x21, words[i]);
    out8(0x21, 0xFF);
    out8(0xA1, 0xFF);
    hooks[LOW] = hooks[MIDDLE] = hooks[HIGH] = hooks[TIMER] = hooks[LINE] = note;
    hooks[PIC] = note_pic;
    hooks[NMI] = note_nmi;
}

static u32 features(void)
{
    u32 eax = 1, ebx, ecx, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return edx;
}

static void it_is_there_as_after_reset(void)
{
    u32 low, high;
    CHECK(features() & 1 << 9);
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0x1B));
    CHECK_EQUAL(low, 0xFEE00900);
    CHECK_EQUAL(high, 0);
    CHECK_EQUAL(APIC(ID), 0);
    CHECK_EQUAL(APIC(VERSION), 0x00050014);
    CHECK_EQUAL(APIC(DFR), 0xFFFFFFFF);
    CHECK_EQUAL(APIC(SVR), 0xFF);
    CHECK_EQUAL(APIC(LVT_TIMER), MASKED);
    CHECK_EQUAL(APIC(LINT1), MASKED);
    CHECK_EQUAL(APIC(LVT_ERROR), MASKED);
    CHECK_EQUAL(APIC(INITIAL), 0);
    CHECK_EQUAL(APIC(CURRENT), 0);
}

static void registers_keep_what_they_have_bits_for(void)
{
    APIC(LDR) = 0xFFFFFFFF;
    CHECK_EQUAL(APIC(LDR), 0xFF000000);
    APIC(LDR) = 0x01000000;
    APIC(DFR) = 0x0FFFFFFF;
    CHECK_EQUAL(APIC(DFR), 0x0FFFFFFF);
    APIC(DFR) = 0xFFFFFFFF;
    APIC(SVR) = 0x1FF;
    CHECK_EQUAL(APIC(SVR), 0x1FF);
    APIC(TPR) = 0x35;
    CHECK_EQUAL(APIC(TPR), 0x35);
    CHECK_EQUAL(APIC(PPR), 0x35);
    APIC(TPR) = 0;
}

static void higher_vectors_come_first(void)
{
    count = 0;
    send(SELF | LOW);
    send(SELF | HIGH);
    send(SELF | MIDDLE);
    CHECK_EQUAL(bit_of(IRR, LOW), 1);
    CHECK_EQUAL(bit_of(IRR, HIGH), 1);
    CHECK_EQUAL(bit_of(TMR, HIGH), 0);
    window_of_interrupts();
    CHECK_EQUAL(count, 3);
    CHECK_EQUAL(taken[0], HIGH);
    CHECK_EQUAL(taken[1], MIDDLE);
    CHECK_EQUAL(taken[2], LOW);
    CHECK_EQUAL(service[0], 1);
    CHECK_EQUAL(APIC(IRR + 0x10), 0);
    CHECK_EQUAL(APIC(ISR + 0x10), 0);
}

static void what_is_in_service_holds_its_class_back(void)
{
    count = 0;
    ends = 0;
    send(SELF | MIDDLE);
    window_of_interrupts();
    CHECK_EQUAL(APIC(PPR), 0x30);
    send(SELF | HIGH); /* of the same class */
    send(SELF | LOW);
    window_of_interrupts();
    CHECK_EQUAL(count, 1);
    ends = 1;
    APIC(EOI) = 0;
    window_of_interrupts();
    CHECK_EQUAL(count, 3);
    CHECK_EQUAL(taken[1], HIGH);
    CHECK_EQUAL(taken[2], LOW);
}

static void the_task_priority_holds_back_too(void)
{
    count = 0;
    APIC(TPR) = 0x30;
    send(SELF | HIGH);
    window_of_interrupts();
    CHECK_EQUAL(count, 0);
    APIC(TPR) = 0x2F;
    window_of_interrupts();
    CHECK_EQUAL(count, 1);
    APIC(TPR) = 0;
}

static void messages_find_whom_they_are_for(void)
{
    count = 0;
    APIC(ICR_HIGH) = 0;
    send(LOW); /* physical, to this processor */
    APIC(ICR_HIGH) = 0x01000000;
    send(0x800 | MIDDLE); /* logical, flat */
    APIC(ICR_HIGH) = 0x02000000;
    send(0x800 | HIGH); /* nobody */
    send(0xC0000 | HIGH); /* all others */
    send(0xC4500);        /* INIT and STARTUP to all others */
    send(0xC4600 | 8);
    send(0x80000 | HIGH); /* everybody */
    window_of_interrupts();
    CHECK_EQUAL(count, 3);
    CHECK_EQUAL(taken[0], HIGH);
    CHECK_EQUAL(APIC(ICR) & 0x1000, 0);
    APIC(ICR_HIGH) = 0;
    send(0x400);
    CHECK_EQUAL(nmis, 1);
}

static void the_timer_counts_down_once(void)
{
    count = 0;
    APIC(DIVIDE) = BY_1;
    APIC(LVT_TIMER) = TIMER;
    APIC(INITIAL) = 200000;
    u32 first = APIC(CURRENT), second = APIC(CURRENT);
    CHECK(first <= 200000);
    CHECK(second <= first);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(taken[0], TIMER);
    CHECK_EQUAL(APIC(CURRENT), 0);
    CHECK_EQUAL(APIC(INITIAL), 200000);
    APIC(INITIAL) = 100000;
    APIC(INITIAL) = 0; /* stops it */
    CHECK_EQUAL(APIC(CURRENT), 0);
}

static void the_timer_repeats(void)
{
    count = 0;
    APIC(LVT_TIMER) = PERIODIC | TIMER;
    APIC(DIVIDE) = BY_16;
    APIC(INITIAL) = 20000;
    while (count < 4)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    CHECK(APIC(CURRENT) > 0);
    APIC(LVT_TIMER) = MASKED | PERIODIC | TIMER;
    CHECK(APIC(CURRENT) > 0);
    APIC(INITIAL) = 0;
    CHECK_EQUAL(taken[3], TIMER);
}

static void pit_rises_after(u16 ticks)
{
    out8(0x43, 0x30); /* counter 0, mode 0: OUT falls now, and rises for good */
    out8(0x40, (u8)ticks);
    out8(0x40, ticks >> 8);
}

static void pit_fires(void)
{
    pit_rises_after(20);
}

static void pit_is_quiet(void)
{
    pit_rises_after(0); /* for 55 ms, which is long */
}

static void wait_for_pit(void)
{
    do
        out8(0x43, 0xE2); /* latch the status of counter 0 */
    while (!(in8(0x40) & 0x80));
}

/* On QEMU the counter is high some time before its line is. */
static void wait_until(volatile u32 *counter, u32 value)
{
    for (u32 i = 0; i < 1000000 && *counter != value; i++)
        window_of_interrupts();
}

static void lint0_leads_the_8259_to_the_processor(void)
{
    count = 0;
    out8(0x21, 0xFE);
    APIC(LINT0) = MASKED | EXTINT;
    pit_fires();
    wait_for_pit();
    window_of_interrupts();
    CHECK_EQUAL(count, 0);
    APIC(LINT0) = EXTINT;
    wait_until(&count, 1);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(taken[0], PIC);
    APIC(LINT0) = 0x400; /* NMI */
    pit_fires();
    wait_for_pit();
    wait_until(&nmis, 2);
    CHECK_EQUAL(nmis, 2);
    APIC(LINT0) = EXTINT;
    wait_until(&count, 2);
    CHECK_EQUAL(count, 2);
    APIC(LINT0) = MASKED;
    out8(0x21, 0xFF);
}

static void set_entry(u32 low)
{
    SELECT = 0x11 + 2 * PIN;
    WINDOW = 0;
    SELECT = 0x10 + 2 * PIN;
    WINDOW = low;
}

static void the_io_apic_has_24_inputs(void)
{
    SELECT = 1;
    CHECK_EQUAL(SELECT, 1);
    CHECK_EQUAL(WINDOW >> 16, 23);
    SELECT = 0;
    WINDOW = 0xFFFFFFFF;
    CHECK_EQUAL(WINDOW, 0x0F000000);
    SELECT = 2;
    CHECK_EQUAL(WINDOW, 0x0F000000);
    SELECT = 0x10 + 2 * 23;
    CHECK_EQUAL(WINDOW, MASKED);
}

static void an_edge_is_one_interrupt(void)
{
    count = 0;
    pit_is_quiet();
    set_entry(LINE);
    pit_fires();
    wait_for_pit();
    wait_until(&count, 1);
    CHECK_EQUAL(bit_of(TMR, LINE), 0);
    window_of_interrupts();
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(taken[0], LINE);
    set_entry(MASKED | LINE);
}

static void a_level_interrupts_until_it_falls(void)
{
    count = 0;
    ends = 0;
    pit_is_quiet();
    set_entry(LEVEL | LINE);
    CHECK_EQUAL(WINDOW, LEVEL | LINE);
    pit_fires();
    wait_for_pit();
    wait_until(&count, 1);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(bit_of(TMR, LINE), 1);
    CHECK_EQUAL(WINDOW, LEVEL | LINE | REMOTE_IRR);
    APIC(EOI) = 0;
    CHECK_EQUAL(WINDOW, LEVEL | LINE | REMOTE_IRR); /* still high: accepted again */
    window_of_interrupts();
    CHECK_EQUAL(count, 2);
    pit_is_quiet();
    APIC(EOI) = 0;
    CHECK_EQUAL(WINDOW, LEVEL | LINE);
    window_of_interrupts();
    CHECK_EQUAL(count, 2);
    ends = 1;
    set_entry(MASKED | LINE);
}

/* Everything that reads and writes memory may do so with a device, once for each time that the manual says. */
static void any_instruction_reaches_a_device(void)
{
    u32 value = 0x00010055, buffer[4] = {0}, old;
    set_entry(MASKED);
    __asm__ volatile("orl $0x44, %0; addl $0x11, %0" : "+m"(WINDOW));
    CHECK_EQUAL(WINDOW, MASKED | 0x55);
    __asm__ volatile("xchgl %0, %1" : "+r"(value), "+m"(WINDOW));
    CHECK_EQUAL(value, MASKED | 0x55);
    old = MASKED | 0x55;
    __asm__ volatile("lock cmpxchgl %2, %1" : "+a"(old), "+m"(WINDOW) : "r"(MASKED | 0x66) : "cc");
    CHECK_EQUAL(WINDOW, MASKED | 0x66);
    value = 1;
    __asm__ volatile("lock xaddl %0, %1" : "+r"(value), "+m"(WINDOW) : : "cc");
    CHECK_EQUAL(value, MASKED | 0x66);
    CHECK_EQUAL(WINDOW, MASKED | 0x67);
    __asm__ volatile("pushl %1; popl %0" : "=r"(value) : "m"(WINDOW));
    CHECK_EQUAL(value, MASKED | 0x67);
    __asm__ volatile("pushl %1; popl %0" : "=m"(WINDOW) : "r"(MASKED | 0x29));
    CHECK_EQUAL(WINDOW, MASKED | 0x29);
    u32 many = 4;
    const void *from = (const void *)&APIC(0x3E0);
    void *to = buffer;
    __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(many) : : "memory");
    CHECK_EQUAL(buffer[0], BY_16);
    CHECK_EQUAL(to, buffer + 4);
    buffer[0] = MASKED | 0x71;
    from = buffer;
    to = (void *)&WINDOW;
    many = 1;
    __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(many) : : "memory");
    CHECK_EQUAL(WINDOW, MASKED | 0x71);
    from = (const void *)&WINDOW;
    to = buffer + 1;
    __asm__ volatile("movsl" : "+S"(from), "+D"(to) : : "memory");
    CHECK_EQUAL(buffer[1], MASKED | 0x71);
    set_entry(MASKED);
}

static void switched_off_for_good_it_is_not_there(void)
{
    APIC(LINT0) = EXTINT; /* which QEMU goes on to look at */
    __asm__ volatile("wrmsr" : : "a"(0xFEE00000 | 0x100), "d"(0), "c"(0x1B));
    CHECK_EQUAL(features() & 1 << 9, 0);
    count = 0;
    out8(0x21, 0xFE);
    pit_fires();
    wait_for_pit();
    wait_until(&count, 1);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(taken[0], PIC);
}

void program_main(void)
{
    start();
    it_is_there_as_after_reset();
    registers_keep_what_they_have_bits_for();
    higher_vectors_come_first();
    what_is_in_service_holds_its_class_back();
    the_task_priority_holds_back_too();
    messages_find_whom_they_are_for();
    the_timer_counts_down_once();
    the_timer_repeats();
    lint0_leads_the_8259_to_the_processor();
    the_io_apic_has_24_inputs();
    an_edge_is_one_interrupt();
    a_level_interrupts_until_it_falls();
    any_instruction_reaches_a_device();
    switched_off_for_good_it_is_not_there();
}
