/* Exceptions in ring 0: the vector, the error code, and whether EIP points at the instruction (fault) or behind it (trap).
 *
 * SDM volume 3A, chapter 6. Nothing that faults may change a register or memory. */
#include "../lib/check.h"

static void arithmetic(void)
{
    EXPECT_FAULT(DE, 0, "divl %1", "a"(1), "r"(0), "d"(0));
    EXPECT_FAULT(DE, 0, "divl %1", "a"(0), "r"(1), "d"(1)); /* quotient 2^32 */
    EXPECT_FAULT(DE, 0, "idivl %1", "a"(0x80000000), "r"(-1), "d"(-1));
    EXPECT_NONE("divl %1", "a"(0xFFFFFFFF), "r"(2), "d"(1));
    EXPECT_FAULT(DE, 0, ".byte 0xd4, 0", "a"(5)); /* AAM 0 */
}

static void software_interrupts(void)
{
    TRY("int3", "a"(0));
    CHECK_EQUAL(last.vector, BP);
    CHECK_EQUAL(last.eip, attempt + 1);
    TRY("int $33", "a"(0));
    CHECK_EQUAL(last.vector, 33);
    CHECK_EQUAL(last.eip, attempt + 2);
    CHECK_EQUAL(last.cs, CODE);

    TRY("movb $0x7f, %%al; incb %%al; into", "a"(0));
    CHECK_EQUAL(last.vector, OF);
    CHECK_EQUAL(last.eip, attempt + 5);
    EXPECT_NONE("xorl %%eax, %%eax; into", "a"(0));

    static const u32 bounds[2] = {10, 20};
    EXPECT_FAULT(BR, 0, "boundl %0, %1", "r"(9), "m"(bounds));
    EXPECT_FAULT(BR, 0, "boundl %0, %1", "r"(21), "m"(bounds));
    EXPECT_NONE("boundl %0, %1", "r"(20), "m"(bounds));
}

static void undefined(void)
{
    EXPECT_FAULT(UD, 0, "ud2", "a"(0));
    EXPECT_FAULT(UD, 0, ".byte 0x0f, 0xff, 0xc0", "a"(0));
    EXPECT_FAULT(UD, 0, ".byte 0x8e, 0xc8", "a"(DATA));      /* MOV CS, AX */
    EXPECT_FAULT(UD, 0, ".byte 0xf0, 0x01, 0xc0", "a"(0));   /* LOCK on a register */
    EXPECT_FAULT(UD, 0, ".byte 0x8d, 0xc0", "a"(0));         /* LEA of a register */
    EXPECT_FAULT(UD, 0, ".byte 0x8e, 0xf0", "a"(DATA));      /* MOV to segment register 6 */
    EXPECT_FAULT(UD, 0, ".byte 0x0f, 0x20, 0xc8", "a"(0));   /* MOV EAX, CR1 */
    EXPECT_FAULT(GP, 0, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90",
                 "a"(0)); /* 16 bytes */
}

static void gates(void)
{
    u64 saved = idt[40];
    idt[40] = saved & ~(1ull << 47);
    EXPECT_FAULT(NP, 40 * 8 + 2, "int $40", "a"(0));
    idt[40] = 0x0000920000080000; /* not a gate */
    EXPECT_FAULT(GP, 40 * 8 + 2, "int $40", "a"(0));
    idt[40] = gate((void *)0x100000, 0, 0x8E); /* null selector */
    EXPECT_FAULT(GP, 0, "int $40", "a"(0));
    idt[40] = gate((void *)0x100000, DATA, 0x8E);
    EXPECT_FAULT(GP, DATA, "int $40", "a"(0));
    idt[40] = saved;
    EXPECT_FAULT(GP, 200 * 8 + 2, "int $200", "a"(0)); /* behind the limit */
}

static void selectors(void)
{
    gdt[FREE / 8] = descriptor(0, 0xFFFFF, 0xC013); /* data, not present */
    gdt[FREE / 8 + 1] = descriptor(0, 0xFFFFF, 0xC091); /* read-only data */
    gdt[FREE / 8 + 2] = descriptor(0, 0xFFFFF, 0xC099); /* execute-only code */
    EXPECT_FAULT(NP, FREE, "movl %0, %%ds", "a"(FREE));
    EXPECT_FAULT(SS, FREE, "movl %0, %%ss", "a"(FREE));
    EXPECT_FAULT(GP, 0, "movl %0, %%ss", "a"(0));
    EXPECT_FAULT(GP, FREE + 8, "movl %0, %%ss", "a"(FREE + 8));
    EXPECT_FAULT(GP, FREE + 16, "movl %0, %%ds", "a"(FREE + 16));
    EXPECT_FAULT(GP, USER_DATA & ~3, "movl %0, %%ss", "a"(USER_DATA));
    EXPECT_FAULT(GP, 0x80, "movl %0, %%es", "a"(0x80)); /* behind the limit */
    EXPECT_FAULT(GP, 0x14, "movl %0, %%es", "a"(0x14)); /* in an LDT that is not there */
    EXPECT_FAULT(GP, 0, "ljmp $0, $0", "a"(0));
    EXPECT_FAULT(GP, DATA, "ljmp $0x10, $0", "a"(0));
    EXPECT_FAULT(GP, TASK, "ltr %w0", "a"(TASK)); /* busy already */
    EXPECT_NONE("movl %0, %%gs", "a"(0));
}

static void control_registers(void)
{
    u32 cr0 = READ_CR(0);
    WRITE_CR(0, cr0 | 8); /* TS */
    EXPECT_FAULT(NM, 0, "fldz", "a"(0));
    __asm__ volatile("clts");
    WRITE_CR(0, cr0 | 4); /* EM */
    EXPECT_FAULT(NM, 0, "fldz", "a"(0));
    WRITE_CR(0, cr0);
}

static void single_step(void)
{
    last.vector = NO_FAULT;
    __asm__ volatile("movl $2f, resume\n\tmovl $1f, attempt\n\t"
                     "pushfl; orl $0x100, (%%esp); popfl\n\t"
                     "nop\n1:\tnop\n2:\tmovl $0, resume"
                     :
                     :
                     : "memory", "cc");
    CHECK_EQUAL(last.vector, DB);
    CHECK_EQUAL(last.eip, attempt); /* behind the instruction that followed POPF */
    CHECK(last.eflags & TRAP);
    u32 dr6;
    __asm__ volatile("movl %%dr6, %0" : "=r"(dr6));
    CHECK(dr6 & 0x4000);
}

static void nothing_changes(void)
{
    static struct {
        u32 offset;
        u16 selector;
    } __attribute__((packed)) bad = {0x5678, 0x80};
    u32 esp_before, esp_after;
    __asm__ volatile("movl %%esp, %0" : "=r"(esp_before));
    EXPECT_FAULT(GP, 0x80, "lesl %0, %%ecx", "m"(bad), "c"(0x1234));
    CHECK_EQUAL(last.ecx, 0x1234);
    CHECK_EQUAL(last.es, DATA);
    EXPECT_FAULT(GP, 0x80, "lcall *%0", "m"(bad));
    EXPECT_FAULT(DE, 0, "divl %1", "a"(77), "c"(0), "d"(88));
    CHECK_EQUAL(last.eax, 77);
    CHECK_EQUAL(last.edx, 88);
    __asm__ volatile("movl %%esp, %0" : "=r"(esp_after));
    CHECK_EQUAL(esp_after, esp_before);
}

void program_main(void)
{
    arithmetic();
    software_interrupts();
    undefined();
    gates();
    selectors();
    control_registers();
    single_step();
    nothing_changes();
}
