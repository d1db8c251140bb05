/* matrix-sse2: a product of doubles, two at a time. */
#include "matrix_double.h"
#include "workload.h"

#define CR0_EM 0x4u
#define CR0_MP 0x2u
#define CR4_OSFXSR 0x200u
#define CPUID_FXSR_SSE2 (1u << 24 | 1u << 26)

typedef double pair __attribute__((vector_size(16)));

static struct matrices matrices;

/* This much must work before the first instruction of SSE2: no compiler may move one here. */
__attribute__((target("general-regs-only"))) static int has_sse2(void)
{
    u32 leaf = 1, features;
    __asm__ volatile("cpuid" : "+a"(leaf), "=d"(features) : : "ebx", "ecx");
    return (features & CPUID_FXSR_SSE2) == CPUID_FXSR_SSE2;
}

__attribute__((target("general-regs-only"))) static void enable(void)
{
    u32 cr;
    __asm__ volatile("movl %%cr0, %0" : "=r"(cr));
    __asm__ volatile("movl %0, %%cr0" : : "r"((cr & ~CR0_EM) | CR0_MP));
    __asm__ volatile("movl %%cr4, %0" : "=r"(cr));
    __asm__ volatile("movl %0, %%cr4" : : "r"(cr | CR4_OSFXSR));
}

static void prepare(void)
{
    matrices_fill(&matrices);
}

static u32 round(u32 number)
{
    matrices.a[0][0] = number;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j += 2) {
            pair sum = {0, 0};
            for (u32 k = 0; k < SIZE; k++)
                sum += matrices.a[i][k] * *(const pair *)&matrices.b[k][j];
            *(pair *)&matrices.product[i][j] = sum;
        }
    return matrices_fold(&matrices);
}

/* Its own function, entered only behind enable(). */
__attribute__((noipa)) static int multiply(void)
{
    return program_run("matrix-sse2", prepare, round);
}

__attribute__((target("general-regs-only"))) static int run(void)
{
    if (!has_sse2())
        return program_not_available("matrix-sse2", "SSE2");
    enable();
    return multiply();
}

const struct workload workload_matrix_sse2 = {"matrix-sse2", "n", "the same on SSE2, two at a time", run};
