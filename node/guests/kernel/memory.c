/* The three functions that a freestanding gcc may call on its own. */
#include "memory.h"

void *memcpy(void *target, const void *source, u32 bytes)
{
    void *result = target;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(bytes) : : "memory");
    return result;
}

void *memset(void *target, int value, u32 bytes)
{
    void *result = target;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(bytes) : "a"(value) : "memory");
    return result;
}

int memcmp(const void *left, const void *right, u32 bytes)
{
    const u8 *a = left, *b = right;
    for (u32 i = 0; i < bytes; i++)
        if (a[i] != b[i])
            return a[i] - b[i];
    return 0;
}
