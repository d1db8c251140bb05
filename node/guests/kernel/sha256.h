/* SHA-256 (FIPS 180-4) over whole 64-byte blocks. */
#pragma once

#include "types.h"

struct sha256 {
    u32 state[8];
    u64 bytes;
};

void sha256_start(struct sha256 *hash);
void sha256_block(struct sha256 *hash, const u32 block[16]); /* words in memory order */
void sha256_finish(struct sha256 *hash);                     /* then `state` is the digest, big-endian words */
