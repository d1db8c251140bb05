/* Formatted text on the console. */
#pragma once

/* %s string, %c character, %u unsigned decimal, %x all 8 hexadecimal digits, %llu u64 decimal, %% a percent sign.
 * A newline goes out as CR LF, as terminals expect. */
void print(const char *format, ...) __attribute__((format(gnu_printf, 1, 2)));
