/* crc32: the CRC of Ethernet and gzip over 64 KiB, a table look-up a byte. */
#include "program.h"
#include "workload.h"

enum { BYTES = 65536, POLYNOMIAL = 0xEDB88320 };

static u32 table[256];
static u8 data[BYTES];

static void prepare(void)
{
    u32 x = FIRST_RANDOM;
    for (u32 byte = 0; byte < 256; byte++) {
        u32 crc = byte;
        for (u32 bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? (u32)POLYNOMIAL : 0);
        table[byte] = crc;
    }
    for (u32 i = 0; i < BYTES; i++) {
        x = next_random(x);
        data[i] = (u8)(x >> 24);
    }
}

static u32 round(u32 number)
{
    u32 crc = ~0u;
    data[0] = (u8)number;
    for (u32 i = 0; i < BYTES; i++)
        crc = crc >> 8 ^ table[(u8)crc ^ data[i]];
    return ~crc;
}

static int run(void)
{
    return program_run("crc32", prepare, round);
}

const struct workload workload_crc32 = {"crc32", "n", "CRC-32, a byte at a time", run};
