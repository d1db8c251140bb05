/* What the dirty workload writes into a page: content that tells whose it is and how old.
 *
 *   word 0        1           2 .. words-2                      words-1
 *   | page index | generation | base + i * step of (page, gen) | sum of all words before it |
 *
 * Every word is a function of (page, generation), so a check compares all of them and knows what should be there. */
#pragma once

#include "types.h"

enum { FEWEST_WORDS = 4, MOST_WORDS_IN_PAGE = 1024 };

void pattern_write(u32 *memory, u32 page, u32 generation, u32 words);

/* The index of the first wrong word; `words` if there is none. */
u32 pattern_check(const u32 *memory, u32 page, u32 generation, u32 words);

/* One ERROR line: what `memory` should hold, what it holds, and what that means. */
void pattern_report(const u32 *memory, u32 page, u32 generation, u32 words);
