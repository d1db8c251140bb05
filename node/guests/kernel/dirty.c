/* dirty: the memory muncher. Rewrites `pages` pages in turn at `rate` pages a second, checking each before it writes it,
 * and sweeps over all of them in the background.
 *
 * The pages are written round robin, so the two numbers `round` and `cursor` say what every page must hold: pages before
 * the cursor have been written in this round, the others in the one before. No table of expectations could be
 * rolled back together with the pages. */
#include "area.h"
#include "finish.h"
#include "options.h"
#include "pattern.h"
#include "print.h"
#include "timer.h"
#include "workload.h"

enum { MAX_BATCH = 64, MOST_REPORTS = 100 };

static u32 *area;
static u32 pages, words, rate;
static u32 cursor, round; /* the next page to write; the round it is in */
static u32 checked;       /* the next page for the sweep to check */
static u32 sweeps, errors;
static u64 written;

static u32 *memory_of(u32 page)
{
    return area + page * (PAGE / sizeof(u32));
}

static void check(u32 page)
{
    u32 generation = page < cursor ? round : round - 1;
    if (pattern_check(memory_of(page), page, generation, words) == words)
        return;
    if (errors++ < MOST_REPORTS)
        pattern_report(memory_of(page), page, generation, words);
    pattern_write(memory_of(page), page, generation, words); /* one error, one report */
}

static void write_next(void)
{
    check(cursor);
    pattern_write(memory_of(cursor), cursor, round, words);
    written++;
    if (++cursor == pages) {
        cursor = 0;
        round++;
    }
}

static void sweep(u32 count)
{
    while (count--) {
        check(checked);
        if (++checked == pages) {
            checked = 0;
            sweeps++;
        }
    }
}

/* How many of `per_second` events are due after `ticks`; what does not divide evenly stays in `owed` for next time. */
static u32 due(u32 *owed, u32 per_second, u32 ticks)
{
    *owed += per_second % TICKS_PER_SECOND * ticks;
    u32 count = per_second / TICKS_PER_SECOND * ticks + *owed / TICKS_PER_SECOND;
    *owed %= TICKS_PER_SECOND;
    return count;
}

static void status(u32 line)
{
    print("dirty: seq=%u pages=%u written=%llu sweeps=%u errors=%u\n", line, pages, written, sweeps, errors);
}

static int prepare(void)
{
    u32 available = area_pages();
    pages = option_number("pages", available < 1024 ? available : 1024);
    rate = option_number("rate", 1000);
    words = option_number("words", MOST_WORDS_IN_PAGE);
    if (pages == OPTION_MAX)
        pages = available;
    if (pages == 0 || pages > available) {
        print("dirty: pages=%u is not between 1 and %u, which the memory allows\n", pages, available);
        return FAILED;
    }
    if (words < FEWEST_WORDS || words > MOST_WORDS_IN_PAGE) {
        print("dirty: words=%u is not between %u and %u\n", words, FEWEST_WORDS, MOST_WORDS_IN_PAGE);
        return FAILED;
    }
    area = area_map(pages);
    for (u32 page = 0; page < pages; page++)
        pattern_write(memory_of(page), page, 0, words);
    round = 1;
    return GOOD;
}

static int run(void)
{
    if (prepare() != GOOD)
        return FAILED;
    int unlimited = rate == 0 || rate == OPTION_MAX;
    u32 seconds = option_number("seconds", OPTION_MAX), sweep_seconds = option_number("sweep", 4);
    u32 sweep_rate = sweep_seconds ? pages / sweep_seconds + 1 : pages;
    u32 rate_owed = 0, sweep_owed = 0, line = 0, line_ticks = 0, now = timer_ticks();
    print("dirty: %u pages ready\n", pages);
    while (line < seconds) {
        u32 before = now;
        now = unlimited ? timer_ticks() : timer_wait(before);
        u32 ticks = now - before;
        if (ticks > TICKS_PER_SECOND)
            ticks = TICKS_PER_SECOND; /* overloaded: do not pile up a debt that can never be paid */
        for (u32 count = unlimited ? MAX_BATCH : due(&rate_owed, rate, ticks); count; count--)
            write_next();
        sweep(due(&sweep_owed, sweep_rate, ticks));
        for (line_ticks += now - before; line_ticks >= TICKS_PER_SECOND; line_ticks -= TICKS_PER_SECOND)
            if (line < seconds)
                status(++line);
    }
    sweep(pages); /* a whole one, wherever it begins */
    status(++line);
    return errors ? FAILED : GOOD;
}

const struct workload workload_dirty = {
    "dirty", "rate pages words sweep seconds",
    "rewrites pages=P self-checking pages at rate=R a second (0 or max: no limit); a line each second", run};
