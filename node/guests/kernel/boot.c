#include "boot.h"

enum { HAS_MEMORY = 1 << 0, HAS_COMMAND_LINE = 1 << 2, HAS_MAP = 1 << 6 };
enum { HIGH_MEMORY = 0x100000, USABLE = 1, LONGEST_COMMAND_LINE = 511 };

struct multiboot_information {
    u32 flags;
    u32 memory_lower_kib, memory_upper_kib;
    u32 boot_device;
    const char *command_line;
    u32 modules, module_list;
    u32 symbols[4];
    u32 map_bytes, map;
};

struct map_entry {
    u32 size; /* of the rest */
    u64 base, length;
    u32 type;
} __attribute__((packed));

static char command_line[LONGEST_COMMAND_LINE + 1];
static u32 memory_end = HIGH_MEMORY;

static void read_map(u32 map, u32 bytes)
{
    for (u32 at = map; at < map + bytes; at += ((const struct map_entry *)at)->size + 4) {
        const struct map_entry *entry = (const struct map_entry *)at;
        u64 end = entry->base + entry->length;
        if (entry->type == USABLE && entry->base <= HIGH_MEMORY && end > HIGH_MEMORY)
            memory_end = end > 0xFFFFF000u ? 0xFFFFF000u : (u32)end;
    }
}

void boot_read(const struct multiboot_information *information)
{
    if (information->flags & HAS_MAP)
        read_map(information->map, information->map_bytes);
    else if (information->flags & HAS_MEMORY)
        memory_end = HIGH_MEMORY + information->memory_upper_kib * 1024;
    if (information->flags & HAS_COMMAND_LINE)
        for (u32 i = 0; i < LONGEST_COMMAND_LINE && information->command_line[i]; i++)
            command_line[i] = information->command_line[i];
}

const char *boot_command_line(void)
{
    return command_line;
}

u32 boot_memory_end(void)
{
    return memory_end;
}
