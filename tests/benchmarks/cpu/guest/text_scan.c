/* text: words, lines and a searched word counted in 64 KiB of text, byte by byte. */
#include "program.h"
#include "workload.h"

enum { BYTES = 65536, SEARCHED = 3 };

static char text[BYTES];

/* Four letters, spaces and an occasional end of line, so that the searched word turns up by chance. */
static void prepare(void)
{
    u32 x = FIRST_RANDOM;
    for (u32 i = 0; i < BYTES; i++) {
        x = next_random(x);
        text[i] = "abcdabcdabcd   \n"[x >> 28];
    }
}

static u32 count_words(void)
{
    u32 words = 0;
    int in_word = 0;
    for (u32 i = 0; i < BYTES; i++) {
        int is_space = text[i] == ' ' || text[i] == '\n';
        words += !is_space && !in_word;
        in_word = !is_space;
    }
    return words;
}

static u32 count_lines(void)
{
    u32 lines = 0;
    for (u32 i = 0; i < BYTES; i++)
        if (text[i] == '\n')
            lines++;
    return lines;
}

static u32 count_searched(const char *searched)
{
    u32 found = 0;
    for (u32 i = 0; i + SEARCHED <= BYTES; i++) {
        u32 same = 0;
        while (same < SEARCHED && text[i + same] == searched[same])
            same++;
        found += same == SEARCHED;
    }
    return found;
}

static u32 round(u32 number)
{
    text[number % BYTES] = "abcd \n"[number % 6];
    return (count_words() * 31 + count_lines()) * 31 + count_searched("dab");
}

static int run(void)
{
    return program_run("text", prepare, round);
}

const struct workload workload_text = {"text", "n", "scanning text byte by byte", run};
