/* What stands behind check.h: GDT, TSS and IDT, the dispatch of faults, the console, the end. */
#include "check.h"

volatile struct frame last;
volatile u32 last_cr2, attempt, resume;
void (*hooks[64])(struct frame *);
u64 gdt[16] __attribute__((aligned(8)));
u64 idt[64] __attribute__((aligned(8)));
struct tss tss;

extern const u8 stubs[];
extern u8 inner_stack_top[];
void library_main(void);
void library_dispatch(struct frame *frame);

static u32 checks;

void *memset(void *target, int value, u32 bytes)
{
    void *result = target;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(bytes) : "a"(value) : "memory");
    return result;
}

void *memcpy(void *target, const void *source, u32 bytes)
{
    void *result = target;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(bytes) : : "memory");
    return result;
}

void print(const char *text)
{
    for (; *text; text++) {
        while (!(in8(0x3FD) & 0x20))
            ;
        out8(0x3F8, (u8)*text);
    }
}

void print_hex(u32 value)
{
    char text[9] = {0};
    for (int i = 0; i < 8; i++)
        text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    print(text);
}

static void print_decimal(u32 value)
{
    char text[11], *first = text + 10;
    *first = '\0';
    do
        *--first = (char)('0' + value % 10);
    while (value /= 10);
    print(first);
}

static void end(u8 value)
{
    out8(0xF4, value);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void pass(void)
{
    checks++;
}

void fail(const char *text, u32 line, u32 found, u32 expected)
{
    print("FAILED at line ");
    print_decimal(line);
    print(": ");
    print(text);
    print(" is ");
    print_hex(found);
    print(", expected ");
    print_hex(expected);
    print("\n");
    end(1);
    __builtin_unreachable();
}

u64 descriptor(u32 base, u32 limit, u32 access_and_flags)
{
    u32 low = (limit & 0xFFFF) | base << 16;
    u32 high = (base & 0xFF000000) | (limit & 0xF0000) | (base >> 16 & 0xFF) | access_and_flags << 8;
    return (u64)high << 32 | low;
}

u64 gate(const void *address, u32 selector, u32 access)
{
    u32 offset = (u32)address;
    return (u64)((offset & 0xFFFF0000) | access << 8) << 32 | (selector << 16 | (offset & 0xFFFF));
}

void library_dispatch(struct frame *frame)
{
    int outer = (frame->cs & 3) || (frame->eflags & VM);
    u32 bytes = frame->eflags & VM ? sizeof *frame : outer ? sizeof *frame - 16 : sizeof *frame - 24;
    if (frame->vector < 64 && hooks[frame->vector]) {
        hooks[frame->vector](frame);
        return;
    }
    memcpy((void *)&last, frame, bytes);
    __asm__ volatile("movl %%cr2, %0" : "=r"(last_cr2));
    if (outer)
        leave();
    if (!resume) {
        print("unexpected exception: eip ");
        print_hex(frame->eip);
        fail("vector", 0, frame->vector, NO_FAULT);
    }
    frame->eip = resume;
    frame->eflags &= ~(u32)TRAP;
}

void run_user(const void *eip, u32 eflags)
{
    static u8 stack[4096];
    const u32 frame[] = {(u32)eip, USER_CODE, eflags, (u32)(stack + sizeof stack), USER_DATA};
    last.vector = NO_FAULT;
    enter(frame, 5);
}

static void load_tables(void)
{
    const struct {
        u16 limit;
        const void *base;
    } __attribute__((packed)) gdtr = {sizeof gdt - 1, gdt}, idtr = {sizeof idt - 1, idt};
    gdt[CODE / 8] = descriptor(0, 0xFFFFF, 0xC09B);
    gdt[DATA / 8] = descriptor(0, 0xFFFFF, 0xC093);
    gdt[USER_CODE / 8] = descriptor(0, 0xFFFFF, 0xC0FB);
    gdt[USER_DATA / 8] = descriptor(0, 0xFFFFF, 0xC0F3);
    gdt[TASK / 8] = descriptor((u32)&tss, sizeof tss - 1, 0x0089);
    for (u32 vector = 0; vector < 64; vector++)
        idt[vector] = gate(stubs + 16 * vector, CODE, 0x8E);
    tss.esp0 = (u32)inner_stack_top;
    tss.ss0 = DATA;
    tss.bitmap_offset = __builtin_offsetof(struct tss, bitmap);
    memset(tss.bitmap, 0xFF, sizeof tss.bitmap);
    __asm__ volatile("lgdt %0\n\t"
                     "lidt %1\n\t"
                     "ljmp %2, $1f\n"
                     "1:\tmovl %3, %%ds\n\tmovl %3, %%es\n\tmovl %3, %%fs\n\tmovl %3, %%gs\n\tmovl %3, %%ss\n\t"
                     "ltr %w4"
                     :
                     : "m"(gdtr), "m"(idtr), "i"(CODE), "r"(DATA), "r"(TASK)
                     : "memory");
}

void library_main(void)
{
    load_tables();
    program_main();
    print_decimal(checks);
    print(" checks\n");
    end(0);
}
