#include "print.h"

#include <stdarg.h>

#include "serial.h"
#include "types.h"

static void put(char c)
{
    if (c == '\n')
        serial_write('\r');
    serial_write(c);
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

/* A 64-bit division by ten in two DIVs: the compiler would call a library that is not there. */
static u32 divide_by_ten(u64 *value)
{
    u32 high = (u32)(*value >> 32), low = (u32)*value, remainder = high % 10;
    high /= 10;
    __asm__("divl %2" : "+a"(low), "+d"(remainder) : "r"(10u));
    *value = (u64)high << 32 | low;
    return remainder;
}

static void put_decimal(u64 value)
{
    char digits[21], *first = digits + sizeof digits;
    *--first = '\0';
    do
        *--first = (char)('0' + divide_by_ten(&value));
    while (value);
    put_text(first);
}

static void put_hexadecimal(u32 value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        switch (*++format) {
        case 's': put_text(va_arg(arguments, const char *)); break;
        case 'c': put((char)va_arg(arguments, int)); break;
        case 'u': put_decimal(va_arg(arguments, u32)); break;
        case 'x': put_hexadecimal(va_arg(arguments, u32)); break;
        case 'l': format += 2; put_decimal(va_arg(arguments, u64)); break; /* %llu */
        default: put(*format);
        }
    }
    va_end(arguments);
}
