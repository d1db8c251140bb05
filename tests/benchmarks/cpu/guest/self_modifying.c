/* self-modifying: a function whose constant and whose operation are rewritten before every tenth call of it. */
#include "area.h"
#include "memory.h"
#include "program.h"
#include "workload.h"

enum { REWRITES = 200, CALLS = 10, OPERATION_AT = 4, CONSTANT_AT = 5 };

/* movl 4(%esp), %eax; OPERATION $CONSTANT, %eax; roll $5, %eax; ret */
static const u8 template[] = {0x8B, 0x44, 0x24, 0x04, 0x05, 0, 0, 0, 0, 0xC1, 0xC0, 0x05, 0xC3};
static const u8 operations[] = {0x05, 0x2D, 0x35}; /* ADD, SUB, XOR with EAX */

static u8 *code;

static void prepare(void)
{
    code = (u8 *)area_map(1); /* the kernel's own pages are read-only */
    memcpy(code, template, sizeof template);
}

static void rewrite(u32 operation, u32 constant)
{
    *(volatile u8 *)(code + OPERATION_AT) = operations[operation];
    *(volatile u32 *)(code + CONSTANT_AT) = constant;
}

static u32 round(u32 number)
{
    u32 (*function)(u32) = (u32 (*)(u32))code;
    u32 value = number, x = FIRST_RANDOM;
    for (u32 i = 0; i < REWRITES; i++) {
        x = next_random(x);
        rewrite(x % 3, x);
        for (u32 call = 0; call < CALLS; call++)
            value = function(value);
    }
    return value;
}

static int run(void)
{
    return program_run("self-modifying", prepare, round);
}

const struct workload workload_self_modifying = {"self-modifying", "n", "code rewritten before every tenth call", run};
