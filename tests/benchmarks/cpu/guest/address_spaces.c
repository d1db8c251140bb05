/* address-spaces: each system call loads CR3, as each does that crosses an isolated kernel's page tables; then ring 3
 * reads 16 pages. */
#include "program.h"
#include "user.h"
#include "workload.h"

enum { TURNS = 500, PAGES = 16 };

static u8 *pages;

extern const u8 user_switches[];

static void prepare(void)
{
    pages = user_start(2 + PAGES);
    for (u32 i = 0; i < PAGES; i++)
        *(u32 *)(pages + i * PAGE) = (i + 1) * 0x01234567u;
    user_second_address_space();
}

static u32 round(u32 number)
{
    return user_run(user_switches, number, TURNS, pages);
}

static int run(void)
{
    return program_run("address-spaces", prepare, round);
}

const struct workload workload_address_spaces = {"address-spaces", "n", "a load of CR3 a system call", run};
