/* The programs, in the order of the table that the host prints. */
#include "workload.h"

extern const struct workload workload_integer, workload_sieve, workload_recursion, workload_dispatch, workload_quicksort,
    workload_crc32, workload_sha256, workload_matrix, workload_matrix_x87, workload_matrix_sse2, workload_copy,
    workload_chase, workload_text, workload_self_modifying, workload_syscalls, workload_page_faults,
    workload_address_spaces;

const struct workload *const workloads[] = {
    &workload_integer,       &workload_sieve,      &workload_recursion,   &workload_dispatch,
    &workload_quicksort,     &workload_crc32,      &workload_sha256,      &workload_matrix,
    &workload_matrix_x87,    &workload_matrix_sse2, &workload_copy,       &workload_chase,
    &workload_text,          &workload_self_modifying, &workload_syscalls, &workload_page_faults,
    &workload_address_spaces, 0,
};
