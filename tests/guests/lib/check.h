/* The vocabulary of the guest programs: provoke a fault, look at what the processor says, check it.
 *
 * A program is one file with a `program_main`. A check that fails prints its line and ends the program with debug-exit
 * value 1; after the last one `N checks` is printed and the value is 0. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define PAGE 4096u
#define ALIGNED __attribute__((aligned(4096)))

enum { CODE = 0x08, DATA = 0x10, USER_CODE = 0x1B, USER_DATA = 0x23, TASK = 0x28, FREE = 0x30 }; /* GDT selectors */
enum { DE, DB, NMI, BP, OF, BR, UD, NM, DF, CSO, TS, NP, SS, GP, PF, RESERVED, MF, AC, NO_FAULT = 0xFFFF };
enum { CARRY = 1, TRAP = 0x100, INTERRUPT = 0x200, OVERFLOW = 0x800, NESTED = 0x4000, VM = 0x20000 };

struct frame {
    u32 edi, esi, ebp, esp_of_pushal, ebx, edx, ecx, eax;
    u32 ds, es, fs, gs;
    u32 vector, error, eip, cs, eflags;
    u32 esp, ss;           /* only from an outer ring or virtual-8086 mode */
    u32 v_es, v_ds, v_fs, v_gs; /* only from virtual-8086 mode */
};

/* The last exception. `attempt` is where TRY's instruction lies, `resume` where it goes on after a fault. */
extern volatile struct frame last;
extern volatile u32 last_cr2, attempt, resume;

extern u64 gdt[16]; /* FREE and above are the program's */
extern u64 idt[64];
extern struct tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, bitmap_offset;
    u8 bitmap[0x2001];
} __attribute__((packed)) tss;

/* Called instead of the default, if set; the default resumes TRY, or leaves what `enter` entered. */
extern void (*hooks[64])(struct frame *);

void program_main(void);

void enter(const u32 *frame, u32 words);
void leave(void) __attribute__((noreturn));

/* Run ring-3 code at `eip` until it faults or interrupts; `last` says how it ended. */
void run_user(const void *eip, u32 eflags);

u64 descriptor(u32 base, u32 limit_pages_or_bytes, u32 access_and_flags);
u64 gate(const void *address, u32 selector, u32 access);

void print(const char *text);
void print_hex(u32 value);
void pass(void);
void fail(const char *text, u32 line, u32 found, u32 expected) __attribute__((noreturn));

#define CHECK(condition) ((condition) ? pass() : fail(#condition, __LINE__, 0, 1))
#define CHECK_EQUAL(found, expected)                                                   \
    do {                                                                               \
        u32 found_ = (u32)(found), expected_ = (u32)(expected);                        \
        found_ == expected_ ? pass() : fail(#found, __LINE__, found_, expected_);       \
    } while (0)

/* Execute one instruction (operands as for asm, inputs only); a fault is remembered in `last`. Whatever the instruction does
 * to registers is undone; operands in memory must not be relative to ESP. */
#define TRY(instruction, ...)                                                  \
    do {                                                                       \
        last.vector = NO_FAULT;                                                \
        __asm__ volatile("pushal\n\tmovl $2f, resume\n\tmovl $1f, attempt\n"   \
                         "1:\t" instruction "\n"                               \
                         "2:\tmovl $0, resume\n\tpopal"                        \
                         :                                                     \
                         : __VA_ARGS__                                         \
                         : "memory", "cc");                                    \
    } while (0)

#define EXPECT_FAULT(vector_, error_, instruction, ...) \
    do {                                                \
        TRY(instruction, __VA_ARGS__);                  \
        CHECK_EQUAL(last.vector, vector_);              \
        CHECK_EQUAL(last.error, error_);                \
        CHECK_EQUAL(last.eip, attempt);                 \
    } while (0)

#define EXPECT_NONE(instruction, ...)      \
    do {                                   \
        TRY(instruction, __VA_ARGS__);     \
        CHECK_EQUAL(last.vector, NO_FAULT); \
    } while (0)

static inline void out8(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 in8(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#define READ_CR(n)                                                   \
    ({                                                               \
        u32 value_;                                                  \
        __asm__ volatile("movl %%cr" #n ", %0" : "=r"(value_));       \
        value_;                                                      \
    })
#define WRITE_CR(n, value) __asm__ volatile("movl %0, %%cr" #n : : "r"(value) : "memory")
