/* work: a computation of known size whose result can be checked anywhere: SHA-256 over n KiB of little-endian words
 * from the generator x ^= x << 13, x ^= x >> 17, x ^= x << 5, beginning behind x = 2463534242. */
#include "finish.h"
#include "options.h"
#include "print.h"
#include "sha256.h"
#include "workload.h"

static u32 next(u32 x)
{
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}

static int run(void)
{
    u32 kib = option_number("n", 64), x = 2463534242u, block[16];
    struct sha256 hash;
    sha256_start(&hash);
    for (u32 i = 0; i < kib; i++)
        for (u32 j = 0; j < 1024 / sizeof block; j++) {
            for (u32 k = 0; k < 16; k++)
                block[k] = x = next(x);
            sha256_block(&hash, block);
        }
    sha256_finish(&hash);
    print("work: n=%u sha256=", kib);
    for (u32 i = 0; i < 8; i++)
        print("%x", hash.state[i]);
    print("\n");
    return GOOD;
}

const struct workload workload_work = {"work", "n", "prints the SHA-256 of n=KIB of generated data, then ends", run};
