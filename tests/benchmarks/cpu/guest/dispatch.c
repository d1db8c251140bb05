/* dispatch: an interpreter of byte code, each operation reached through a table of functions. */
#include "program.h"
#include "workload.h"

enum { INSTRUCTIONS = 512, PASSES = 20, OPERATIONS = 8 };

struct instruction {
    u32 operation, operand;
};

static struct instruction code[INSTRUCTIONS];

static u32 op_add(u32 value, u32 operand) { return value + operand; }
static u32 op_subtract(u32 value, u32 operand) { return value - operand; }
static u32 op_xor(u32 value, u32 operand) { return value ^ operand; }
static u32 op_or(u32 value, u32 operand) { return value | (operand & 0xFF); }
static u32 op_rotate(u32 value, u32 operand) { return rotate_left(value, operand % 31 + 1); }
static u32 op_multiply(u32 value, u32 operand) { return value * (operand | 1); }
static u32 op_shift(u32 value, u32 operand) { return value + (operand >> 3); }
static u32 op_not(u32 value, u32 operand) { return ~value - (operand & 1); }

static u32 (*const operations[OPERATIONS])(u32 value, u32 operand) = {
    op_add, op_subtract, op_xor, op_or, op_rotate, op_multiply, op_shift, op_not,
};

static void prepare(void)
{
    u32 x = FIRST_RANDOM;
    for (u32 i = 0; i < INSTRUCTIONS; i++) {
        x = next_random(x);
        code[i] = (struct instruction){x >> 29, x};
    }
}

static u32 round(u32 number)
{
    u32 value = number;
    for (u32 pass = 0; pass < PASSES; pass++)
        for (const struct instruction *next = code; next < code + INSTRUCTIONS; next++)
            value = operations[next->operation](value, next->operand);
    return value;
}

static int run(void)
{
    return program_run("dispatch", prepare, round);
}

const struct workload workload_dispatch = {"dispatch", "n", "an interpreter's indirect calls", run};
