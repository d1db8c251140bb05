/* What the guest can be told to do. */
#pragma once

struct workload {
    const char *name;
    const char *options; /* names it takes besides exit=, separated by spaces */
    const char *summary;
    int (*run)(void); /* GOOD or FAILED */
};

extern const struct workload workload_idle, workload_tick, workload_dirty, workload_console, workload_work,
    workload_fault, workload_exit;
