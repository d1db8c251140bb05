/* Code that changes: every store into code is seen by the next instruction executed there, whoever stored and through
 * whichever linear address, also inside the block that is running.
 *
 * SDM volume 3A, section 8.1.3 asks for a jump in between; processors of this family do without, and so do their programs. */
#include "../lib/check.h"

enum { P = 1, W = 2 };

#define ALIAS 0x40000000u

static u8 code[2 * PAGE] ALIGNED;
static u32 directory[1024] ALIGNED, low[1024] ALIGNED, alias[1024] ALIGNED;

typedef u32 (*function)(void);

/* mov eax, value; ret */
static void assemble(u8 *at, u32 value)
{
    at[0] = 0xB8;
    *(volatile u32 *)(at + 1) = value;
    ((volatile u8 *)at)[5] = 0xC3;
}

static u32 run(const void *at)
{
    return ((function)at)();
}

static void replaced_between_calls(void)
{
    for (u32 i = 0; i < 300; i++) {
        assemble(code, i);
        CHECK_EQUAL(run(code), i);
    }
    volatile u8 *immediate = code + 2;
    for (u32 i = 0; i < 256; i += 51) { /* one byte in the middle of an instruction */
        *immediate = (u8)i;
        CHECK_EQUAL(run(code) >> 8 & 0xFF, i);
    }
}

static void changed_just_ahead(void)
{
    u32 value;
    __asm__ volatile("movb $2, 1f+1\n" /* the next instruction but one */
                     "\tnop\n"
                     "1:\tmovl $1, %0"
                     : "=a"(value)
                     :
                     : "memory");
    CHECK_EQUAL(value, 2);
}

static void changed_inside_a_loop(void)
{
    u32 sum;
    __asm__ volatile("xorl %%eax, %%eax\n\tmovl $10, %%ecx\n"
                     "1:\taddl $0, %%eax\n" /* the immediate counts down with ECX */
                     "\tmovb %%cl, 1b+2\n"
                     "\tdecl %%ecx\n\tjnz 1b"
                     : "=a"(sum)
                     :
                     : "ecx", "memory", "cc");
    CHECK_EQUAL(sum, 10 + 9 + 8 + 7 + 6 + 5 + 4 + 3 + 2);
}

static void copied_by_a_string_instruction(void)
{
    u8 image[6];
    assemble(code, 1);
    CHECK_EQUAL(run(code), 1);
    assemble(image, 77);
    const void *source = image;
    void *target = code;
    u32 count = sizeof image;
    __asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
    CHECK_EQUAL(run(code), 77);
}

static void across_a_page_boundary(void)
{
    u8 *at = code + PAGE - 3; /* three bytes of the instruction on either page */
    assemble(at, 0x11223344);
    CHECK_EQUAL(run(at), 0x11223344);
    code[PAGE] = 0x99; /* on the second page only */
    CHECK_EQUAL(run(at), 0x11993344);
    code[PAGE - 2] = 0x88; /* on the first */
    CHECK_EQUAL(run(at), 0x11993388);
}

static void start_paging(void)
{
    for (u32 i = 0; i < 1024; i++)
        low[i] = i * PAGE | P | W;
    directory[0] = (u32)low | P | W;
    directory[ALIAS >> 22] = (u32)alias | P | W;
    alias[0] = (u32)code | P | W;
    WRITE_CR(3, (u32)directory);
    WRITE_CR(0, READ_CR(0) | 0x80000000);
}

static void stored_through_another_address(void)
{
    assemble(code, 5);
    CHECK_EQUAL(run(code), 5);
    CHECK_EQUAL(run((void *)ALIAS), 5);
    assemble((u8 *)ALIAS, 6);
    CHECK_EQUAL(run(code), 6);
    assemble(code, 7);
    CHECK_EQUAL(run((void *)ALIAS), 7);
}

static void the_page_behind_the_address_is_exchanged(void)
{
    assemble(code, 1);
    assemble(code + PAGE, 2);
    for (u32 i = 0; i < 10; i++) {
        alias[0] = (u32)(code + (i & 1) * PAGE) | P | W;
        __asm__ volatile("invlpg %0" : : "m"(*(u8 *)ALIAS) : "memory");
        CHECK_EQUAL(run((void *)ALIAS), 1 + (i & 1));
    }
}

void program_main(void)
{
    replaced_between_calls();
    changed_just_ahead();
    changed_inside_a_loop();
    copied_by_a_string_instruction();
    across_a_page_boundary();
    start_paging();
    stored_through_another_address();
    the_page_behind_the_address_is_exchanged();
}
