/* The kernel knows only ring 0: this adds the tables that ring 3 needs, beside the kernel's own, which go on to serve. */
#include "user.h"

#include "area.h"
#include "memory.h"
#include "segments.h"

enum { CODE_PAGE, STACK_PAGE, ENTRIES = 1024, VECTORS = SYSTEM_CALL + 1, PAGE_FAULT = 14, USER = 4 };

struct gate {
    u16 offset_low, selector, attributes, offset_high;
};

struct table {
    u16 limit;
    const void *base;
} __attribute__((packed));

static struct {
    u32 link, esp0, ss0, others[22];
    u16 trap, bitmap;
} task = {.ss0 = DATA_SELECTOR, .bitmap = sizeof task};

static u64 segments[] = {
    0,
    0x00CF9B000000FFFF, /* CODE_SELECTOR and DATA_SELECTOR: as in the kernel's table */
    0x00CF93000000FFFF,
    0x00CFFB000000FFFF, /* USER_CODE: the same for ring 3 */
    0x00CFF3000000FFFF, /* USER_DATA */
    0,                  /* TASK */
};

static struct gate gates[VECTORS];
static u32 second_directory[ENTRIES] __attribute__((aligned(PAGE)));
static u32 directories[2], current;
static const u8 *page;

void (*user_fault_handler)(u32 linear);

extern const u8 user_code[], user_code_end[];
void user_system_call(void);
void user_page_fault(void);
u32 user_enter(u32 eip, u32 seed, u32 count, const u8 *data, u32 user_esp, u32 *kernel_esp);

static u32 add(u32 value) { return value + 0x9E3779B9u; }
static u32 xor(u32 value) { return value ^ 0x85EBCA77u; }
static u32 rotate(u32 value) { return value << 5 | value >> 27; }

static u32 switch_address_space(u32 value)
{
    current ^= 1;
    __asm__ volatile("movl %0, %%cr3" : : "r"(directories[current]) : "memory");
    return value;
}

u32 (*const user_services[])(u32) = {0, add, xor, rotate, switch_address_space};

static u32 page_directory(void)
{
    u32 cr3;
    __asm__ volatile("movl %%cr3, %0" : "=r"(cr3));
    return cr3;
}

static struct gate gate_to(void (*code)(void), u32 ring)
{
    return (struct gate){(u16)(u32)code, CODE_SELECTOR, (u16)(0x8E00 | ring << 13), (u16)((u32)code >> 16)};
}

static void load_segments(void)
{
    const struct table table = {sizeof segments - 1, segments};
    u32 base = (u32)&task;
    segments[TASK / 8] = (u64)(base >> 24) << 56 | 0x890000000000ull | (u64)(base & 0xFFFFFF) << 16 | (sizeof task - 1);
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(table), "r"(TASK));
}

/* The kernel's gates as they are, and one for system calls. */
static void load_gates(void)
{
    struct table table;
    __asm__ volatile("sidt %0" : "=m"(table));
    memcpy(gates, table.base, table.limit + 1u);
    gates[SYSTEM_CALL] = gate_to(user_system_call, 3);
    table = (struct table){sizeof gates - 1, gates};
    __asm__ volatile("lidt %0" : : "m"(table));
}

/* Page tables lie in the kernel's space, which is mapped one to one. */
u32 *user_page_entry(u32 linear)
{
    const u32 *directory = (const u32 *)page_directory();
    return (u32 *)(directory[linear >> 22] & ~(PAGE - 1)) + linear / PAGE % ENTRIES;
}

u8 *user_start(u32 pages)
{
    u8 *mapped = (u8 *)area_map(pages);
    u32 *directory = (u32 *)page_directory();
    for (u32 i = 0; i < pages; i++) {
        u32 linear = (u32)mapped + i * PAGE;
        directory[linear >> 22] |= USER;
        *user_page_entry(linear) |= USER;
    }
    __asm__ volatile("movl %0, %%cr3" : : "r"(directory) : "memory");
    memcpy(mapped + CODE_PAGE * PAGE, user_code, (u32)(user_code_end - user_code));
    page = mapped;
    load_segments();
    load_gates();
    return mapped + (STACK_PAGE + 1) * PAGE;
}

u32 user_run(const void *code, u32 seed, u32 count, const u8 *data)
{
    u32 eip = (u32)page + CODE_PAGE * PAGE + (u32)((const u8 *)code - user_code);
    return user_enter(eip, seed, count, data, (u32)page + (STACK_PAGE + 1) * PAGE, &task.esp0);
}

void user_on_page_fault(void (*handle)(u32 linear))
{
    user_fault_handler = handle;
    gates[PAGE_FAULT] = gate_to(user_page_fault, 0);
}

void user_second_address_space(void)
{
    directories[0] = page_directory();
    directories[1] = (u32)second_directory;
    memcpy(second_directory, (const void *)directories[0], PAGE);
}
