/* fault: break a rule of the MMU on purpose, to see that the machine under the guest enforces it. */
#include "finish.h"
#include "options.h"
#include "print.h"
#include "workload.h"

static int run(void)
{
    u32 address = option_number("address", 0);
    print("fault: writing to address %x\n", address);
    *(volatile u32 *)address = 0;
    print("fault: nothing happened\n");
    return FAILED;
}

const struct workload workload_fault = {
    "fault", "address", "writes to linear address=A (0: not mapped; 0x100000: read-only), prints the FAULT", run};
