/* sha256: the kernel's own SHA-256 over 32 KiB. */
#include "program.h"
#include "sha256.h"
#include "workload.h"

enum { BLOCKS = 512, WORDS = BLOCKS * 16 };

static u32 data[WORDS];

static void prepare(void)
{
    u32 x = FIRST_RANDOM;
    for (u32 i = 0; i < WORDS; i++)
        data[i] = x = next_random(x);
}

static u32 round(u32 number)
{
    struct sha256 hash;
    u32 folded = 0;
    data[0] = number;
    sha256_start(&hash);
    for (u32 block = 0; block < BLOCKS; block++)
        sha256_block(&hash, data + block * 16);
    sha256_finish(&hash);
    for (u32 i = 0; i < 8; i++)
        folded = folded * 31 + hash.state[i];
    return folded;
}

static int run(void)
{
    return program_run("sha256", prepare, round);
}

const struct workload workload_sha256 = {"sha256", "n", "SHA-256", run};
