/* MMX and SSE: who may use them, what MMX does to the x87 unit, FXSAVE and FXRSTOR.
 *
 * SDM volume 1, chapters 9 to 11; volume 3A, section 13.1. */
#include "../lib/check.h"

enum { EM = 4, TASK_SWITCHED = 8, FXSR = 0x200 };

static u8 image[512] __attribute__((aligned(16))), again[512] __attribute__((aligned(16)));
static const u32 four[4] __attribute__((aligned(16))) = {0x01020304, 0x05060708, 0x090A0B0C, 0x0D0E0F10};

static void permission(void)
{
    EXPECT_FAULT(UD, 0, "addps %%xmm0, %%xmm1", "a"(0)); /* CR4.OSFXSR is clear */
    EXPECT_NONE("paddb %%mm0, %%mm1", "a"(0));
    WRITE_CR(4, READ_CR(4) | FXSR);
    EXPECT_NONE("addps %%xmm0, %%xmm1", "a"(0));
    WRITE_CR(0, READ_CR(0) | TASK_SWITCHED);
    EXPECT_FAULT(NM, 0, "addps %%xmm0, %%xmm1", "a"(0));
    EXPECT_FAULT(NM, 0, "paddb %%mm0, %%mm1", "a"(0));
    EXPECT_FAULT(NM, 0, "fxsave %1", "a"(0), "m"(image));
    EXPECT_NONE("sfence; prefetchnta (%0)", "a"(image));
    WRITE_CR(0, (READ_CR(0) & ~TASK_SWITCHED) | EM);
    EXPECT_FAULT(UD, 0, "addps %%xmm0, %%xmm1", "a"(0));
    EXPECT_FAULT(UD, 0, "paddb %%mm0, %%mm1", "a"(0));
    WRITE_CR(0, READ_CR(0) & ~EM);
}

static void operands(void)
{
    EXPECT_NONE("movaps (%0), %%xmm0", "b"(four));
    EXPECT_NONE("movups 1(%0), %%xmm0", "b"(four));
    EXPECT_NONE("addss 1(%0), %%xmm0", "b"(four));
    EXPECT_FAULT(GP, 0, "fxsave 8(%0)", "b"(image));
    u32 control = 0x1F80;
    EXPECT_NONE("ldmxcsr (%0)", "b"(&control));
}

static void aliases(void)
{
    u8 environment[28];
    __asm__ volatile("fninit; fld1; fldz; movq %1, %%mm5; fnstenv %0" : "=m"(environment) : "m"(four));
    CHECK_EQUAL(environment[4] | environment[5] << 8, 0); /* TOP */
    CHECK_EQUAL(environment[9] >> 2 & 3, 2);              /* R5: special, since its exponent is all ones */
    __asm__ volatile("emms; fnstenv %0" : "=m"(environment));
    CHECK_EQUAL(environment[8] | environment[9] << 8, 0xFFFF); /* all empty */
}

static void images(void)
{
    __asm__ volatile("fninit; movq %0, %%mm1; movaps %0, %%xmm7" : : "m"(four));
    __asm__ volatile("fxsave %0" : "=m"(image));
    CHECK_EQUAL(image[4], 0xFF);                       /* filled, a bit each */
    CHECK_EQUAL(*(u32 *)(image + 32 + 16), 0x01020304); /* ST(1) is R1 */
    CHECK_EQUAL(*(u32 *)(image + 160 + 7 * 16 + 12), 0x0D0E0F10);
    CHECK_EQUAL(*(u32 *)(image + 24), 0x1F80);
    __asm__ volatile("xorps %%xmm7, %%xmm7; fninit" : : : "memory");
    __asm__ volatile("fxrstor %1; fxsave %0" : "=m"(again) : "m"(image));
    for (u32 i = 0; i < 288; i += 4)
        CHECK_EQUAL(*(u32 *)(again + i), *(u32 *)(image + i));
    __asm__ volatile("emms");
}

void program_main(void)
{
    permission();
    operands();
    aliases();
    images();
}
