/* Start everything, then run the workload that the command line names. */
#include "boot.h"
#include "finish.h"
#include "interrupts.h"
#include "options.h"
#include "paging.h"
#include "ports.h"
#include "print.h"
#include "segments.h"
#include "serial.h"
#include "text.h"
#include "timer.h"
#include "workload.h"

void kernel_main(u32 magic, const struct multiboot_information *information);

static const struct workload *find_workload(const char *name)
{
    for (const struct workload *const *each = workloads; *each; each++)
        if (text_equal((*each)->name, name))
            return *each;
    return 0;
}

/* "  tick [count=]", then what it does. */
static void list_workload(const struct workload *workload)
{
    print("  %s", workload->name);
    for (const char *c = workload->options; *c; c++) {
        if (c == workload->options || c[-1] == ' ')
            print(" [");
        if (*c != ' ')
            print("%c", *c);
        if (c[1] == ' ' || c[1] == '\0')
            print("=]");
    }
    print("\n      %s\n", workload->summary);
}

static void list_workloads(void)
{
    print("The command line names one of these workloads first:\n");
    for (const struct workload *const *each = workloads; *each; each++)
        list_workload(*each);
    print("Each takes exit=V: at its end, write V to the debug-exit port 0xf4 (0x7f if it failed).\n");
}

static void choose_exit(void)
{
    u32 value = option_number("exit", 0);
    if (!option_given("exit"))
        return;
    if (value > 0xFF) {
        print("exit=%u does not fit in the byte that the debug-exit port takes\n", value);
        finish(FAILED);
    }
    finish_by_exit((u8)value);
}

static int run(void)
{
    const struct workload *workload = find_workload(options_workload());
    choose_exit();
    if (!workload) {
        print("unknown workload '%s'\n", options_workload());
        list_workloads();
        return FAILED;
    }
    options_allow(workload->options);
    return workload->run();
}

void kernel_main(u32 magic, const struct multiboot_information *information)
{
    segments_start();
    interrupts_start();
    serial_start();
    if (magic != MULTIBOOT_MAGIC) {
        print("this kernel wants a Multiboot loader: eax=%x\n", magic);
        finish(FAILED);
    }
    boot_read(information);
    options_read(boot_command_line());
    print("Limosa guest, %u KiB of memory: %s\n", boot_memory_end() / 1024, boot_command_line());
    paging_start();
    timer_start();
    interrupts_on();
    finish(run());
}
