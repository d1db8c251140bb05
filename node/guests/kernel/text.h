/* Zero-terminated text. */
#pragma once

#include "types.h"

int text_equal(const char *left, const char *right);

/* If `text` begins with `prefix`, what follows it; else 0. */
const char *text_after(const char *text, const char *prefix);

/* Decimal or 0x-hexadecimal; 0 if `text` is anything else or does not fit. */
int text_number(const char *text, u32 *number);
