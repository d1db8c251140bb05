#include "text.h"

int text_equal(const char *left, const char *right)
{
    while (*left && *left == *right)
        left++, right++;
    return *left == *right;
}

const char *text_after(const char *text, const char *prefix)
{
    while (*prefix)
        if (*text++ != *prefix++)
            return 0;
    return text;
}

static u32 digit(char c)
{
    if (c >= '0' && c <= '9')
        return (u32)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (u32)(c - 'a' + 10);
    return 99;
}

int text_number(const char *text, u32 *number)
{
    const char *hexadecimal = text_after(text, "0x");
    u32 base = hexadecimal ? 16 : 10, value = 0;
    if (hexadecimal)
        text = hexadecimal;
    if (!*text)
        return 0;
    for (; *text; text++) {
        u32 next = digit(*text);
        if (next >= base || value > (0xFFFFFFFFu - next) / base)
            return 0;
        value = value * base + next;
    }
    *number = value;
    return 1;
}
