/* What the guest can be told to do. */
#pragma once

struct workload {
    const char *name;
    const char *options; /* names it takes besides exit=, separated by spaces */
    const char *summary;
    int (*run)(void); /* GOOD or FAILED */
};

/* All that this kernel has, up to a null pointer. The one thing that makes it this guest and not another. */
extern const struct workload *const workloads[];
