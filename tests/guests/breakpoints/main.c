/* Breakpoints in DR0-DR3: what hits, before or behind the instruction, DR6, and RF.
 *
 * SDM volume 3B, sections 17.2 and 17.3.1. */
#include "../lib/check.h"

enum { EXECUTED, WRITTEN, PORT, ACCESSED };
enum { RF = 0x10000, FIXED = 0x400, DEBUGGING_EXTENSIONS = 8 };

#define WRITE_DR(n, value) __asm__ volatile("movl %0, %%dr" #n : : "r"(value) : "memory")

static volatile u32 watched[2];
static u32 hits;
extern const u8 here[], there[];

static u32 dr6(void)
{
    u32 value;
    __asm__ volatile("movl %%dr6, %0" : "=r"(value));
    return value;
}

static void watch(const volatile void *address, u32 kind, u32 length)
{
    WRITE_DR(0, address);
    WRITE_DR(6, 0xE); /* left over: #DB tells of its own only */
    WRITE_DR(7, FIXED | 1 | kind << 16 | (length - 1) << 18);
}

#define EXPECT_TRAP(instruction, ...)        \
    do {                                     \
        TRY(instruction, __VA_ARGS__);       \
        CHECK_EQUAL(last.vector, DB);        \
        CHECK(last.eip > attempt);           \
        CHECK_EQUAL(dr6() & 0xF, 1);         \
        CHECK_EQUAL(last.eflags & RF, 0);    \
    } while (0)

static void data(void)
{
    watch(&watched[0], WRITTEN, 4);
    EXPECT_TRAP("movl %0, %1", "a"(5), "m"(watched[0]));
    CHECK_EQUAL(watched[0], 5); /* a trap: the store is made */
    EXPECT_NONE("movl %1, %0", "a"(0), "m"(watched[0]));
    EXPECT_NONE("movl %0, %1", "a"(5), "m"(watched[1]));
    EXPECT_TRAP("movb %b0, 3(%1)", "a"(5), "b"(&watched[0]));
    EXPECT_TRAP("incl %1", "a"(0), "m"(watched[0]));
    watch(&watched[0], ACCESSED, 2);
    EXPECT_TRAP("movl %1, %0", "a"(0), "m"(watched[0]));
    EXPECT_NONE("movb 2(%1), %b0", "a"(0), "b"(&watched[0]));
    EXPECT_TRAP("cmpl $0, (%1)", "a"(0), "b"(&watched[0]));
    WRITE_DR(7, FIXED);
    EXPECT_NONE("movl %0, %1", "a"(5), "m"(watched[0]));
}

static void pass_on(struct frame *frame)
{
    hits++;
    frame->eflags |= RF;
}

static void instructions(void)
{
    watch(here, EXECUTED, 1);
    TRY("nop\n.globl here\nhere: nop", "a"(0));
    CHECK_EQUAL(last.vector, DB);
    CHECK_EQUAL(last.eip, here);
    CHECK_EQUAL(dr6() & 0xF, 1);
    hooks[DB] = pass_on;
    watch(there, EXECUTED, 1);
    TRY("movl $3, %%ecx\n.globl there\nthere: decl %%ecx\njnz there", "a"(0));
    CHECK_EQUAL(hits, 3); /* RF lets the instruction pass, once */
    hooks[DB] = 0;
    WRITE_DR(7, FIXED);
}

static void ports(void)
{
    watch((void *)0x80, PORT, 1);
    WRITE_CR(4, READ_CR(4) | DEBUGGING_EXTENSIONS);
    EXPECT_TRAP("outb %%al, $0x80", "a"(0));
    EXPECT_NONE("outb %%al, $0x81", "a"(0));
    WRITE_DR(7, FIXED);
}

void program_main(void)
{
    data();
    instructions();
    ports();
}
