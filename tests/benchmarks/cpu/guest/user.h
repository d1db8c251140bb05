/* Ring 3: segments, a TSS, gates and a page of code of its own. */
#pragma once

#define USER_CODE 0x1B
#define USER_DATA 0x23
#define TASK 0x28
#define SYSTEM_CALL 0x80

/* In EAX, of a system call. */
#define SERVICE_LEAVE 0
#define SERVICE_ADD 1
#define SERVICE_XOR 2
#define SERVICE_ROTATE 3
#define SERVICE_SWITCH 4

#ifndef __ASSEMBLER__

#include "types.h"

/* Maps `pages` pages for ring 3, page 0 of them with the code of user.S, page 1 as its stack; the rest is free. */
u8 *user_start(u32 pages);

/* Runs `code` (of user.S) in ring 3 with EBX = seed, ECX = count, EDI = data; returns its EBX when it leaves. */
u32 user_run(const void *code, u32 seed, u32 count, const u8 *data);

/* From now on a page fault of ring 3 calls `handle` with the linear address. */
void user_on_page_fault(void (*handle)(u32 linear));

/* The entry of the page tables for `linear`, which area_map or user_start has mapped. */
u32 *user_page_entry(u32 linear);

/* From now on SERVICE_SWITCH loads CR3 by turns with a second page directory, which maps the same. */
void user_second_address_space(void);

#endif
