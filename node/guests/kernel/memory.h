/* Copying, filling, comparing bytes. */
#pragma once

#include "types.h"

void *memcpy(void *target, const void *source, u32 bytes);
void *memset(void *target, int value, u32 bytes);
int memcmp(const void *left, const void *right, u32 bytes);
