/* The built-in guest's workloads, in the order in which it lists them. */
#include "workload.h"

extern const struct workload workload_idle, workload_tick, workload_dirty, workload_console, workload_work,
    workload_fault, workload_exit;

const struct workload *const workloads[] = {
    &workload_idle, &workload_tick,  &workload_dirty, &workload_console,
    &workload_work, &workload_fault, &workload_exit,  0,
};
