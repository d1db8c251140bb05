/* matrix-x87: a product of doubles, summed in the x87's 80 bits and rounded once. */
#include "matrix_double.h"
#include "workload.h"

#define CR0_EM 0x4u
#define CR0_NE 0x20u

static struct matrices matrices;

static void prepare(void)
{
    u32 cr0;
    __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movl %0, %%cr0" : : "r"((cr0 & ~CR0_EM) | CR0_NE));
    __asm__ volatile("fninit"); /* 64-bit precision, to nearest, all exceptions masked */
    matrices_fill(&matrices);
}

static u32 round(u32 number)
{
    matrices.a[0][0] = number;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            long double sum = 0;
            for (u32 k = 0; k < SIZE; k++)
                sum += (long double)matrices.a[i][k] * matrices.b[k][j];
            matrices.product[i][j] = (double)sum;
        }
    return matrices_fold(&matrices);
}

static int run(void)
{
    return program_run("matrix-x87", prepare, round);
}

const struct workload workload_matrix_x87 = {"matrix-x87", "n", "a product of matrices of doubles on the x87", run};
