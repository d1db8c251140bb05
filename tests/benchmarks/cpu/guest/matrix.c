/* matrix: two matrices of words multiplied. */
#include "program.h"
#include "workload.h"

enum { SIZE = 64 };

static u32 a[SIZE][SIZE], b[SIZE][SIZE], product[SIZE][SIZE];

static void prepare(void)
{
    u32 x = FIRST_RANDOM;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            a[i][j] = x = next_random(x);
            b[i][j] = x = next_random(x);
        }
}

static u32 round(u32 number)
{
    u32 folded = 0;
    a[0][0] = number;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            u32 sum = 0;
            for (u32 k = 0; k < SIZE; k++)
                sum += a[i][k] * b[k][j];
            product[i][j] = sum;
        }
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            folded = folded * 31 + product[i][j];
    return folded;
}

static int run(void)
{
    return program_run("matrix", prepare, round);
}

const struct workload workload_matrix = {"matrix", "n", "a product of integer matrices", run};
