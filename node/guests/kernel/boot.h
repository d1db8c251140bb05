/* What the Multiboot loader told: copied out, because it lies in memory that belongs to nobody. */
#pragma once

#include "types.h"

#define MULTIBOOT_MAGIC 0x2BADB002u

struct multiboot_information;

void boot_read(const struct multiboot_information *information);

/* The command line, "" if there is none. */
const char *boot_command_line(void);

/* The end of the memory that begins at 1 MiB. */
u32 boot_memory_end(void);
