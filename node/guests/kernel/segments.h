/* Flat segments of our own. */
#pragma once

#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10

#ifndef __ASSEMBLER__
void segments_start(void);
#endif
