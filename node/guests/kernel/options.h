/* The command line as the name of a workload and its options: "dirty rate=1000 pages=500". */
#pragma once

#include "types.h"

/* Split `line` at spaces. A first word with a '/' or '.' in it is the kernel's file name, which some loaders put there. */
void options_read(const char *line);

/* The first word, "" if there is none. */
const char *options_workload(void);

/* Refuse every option but exit= and the space-separated names in `known`: ends the guest. */
void options_allow(const char *known);

/* Is there "name=..."? */
int option_given(const char *name);

/* The number in "name=...", or `otherwise`; "max" is OPTION_MAX. Anything else ends the guest. */
#define OPTION_MAX 0xFFFFFFFFu
u32 option_number(const char *name, u32 otherwise);
