/* What a BIOS, or the loader in its place, has left in its data area at 400h.
 *
 * IBM PC/AT Technical Reference, section 5; Ralf Brown's MEMORY.LST. Without a screen and a disk drive. */
#include "../lib/check.h"

enum { SCRATCH = 7, KEYS_START = 0x1E, KEYS_END = 0x3E, FPU = 2, ENHANCED_KEYBOARD = 0x10, TOP_KIB = 640 };

static u8 byte_at(u32 address)
{
    return *(volatile u8 *)address;
}

static u16 word_at(u32 address)
{
    return *(volatile u16 *)address;
}

static void serial_ports_are_there(void)
{
    u32 ports = 0;
    for (u32 i = 0; i < 4; i++) {
        u16 port = word_at(0x400 + 2 * i);
        if (!port)
            continue;
        ports++;
        out8(port + SCRATCH, 0x5A);
        CHECK_EQUAL(in8(port + SCRATCH), 0x5A);
        CHECK(byte_at(0x47C + i)); /* timeout */
    }
    CHECK_EQUAL(word_at(0x400), 0x3F8);
    CHECK_EQUAL(word_at(0x410) >> 9 & 7, ports);
}

static void equipment_is_what_there_is(void)
{
    CHECK_EQUAL(word_at(0x410) & 0xC1, 0); /* no diskette drive */
    CHECK(word_at(0x410) & FPU);
    CHECK_EQUAL(word_at(0x410) >> 14, 0); /* printers */
    CHECK_EQUAL(byte_at(0x475), 0);       /* hard disks */
}

static void extended_area_lies_on_base_memory(void)
{
    u32 area = word_at(0x40E) << 4, kib = word_at(0x413);
    CHECK_EQUAL(area, kib << 10);
    CHECK_EQUAL(kib + byte_at(area), TOP_KIB);
}

static void no_key_waits(void)
{
    CHECK_EQUAL(word_at(0x41A), word_at(0x41C));
    CHECK_EQUAL(word_at(0x41A), KEYS_START);
    CHECK_EQUAL(word_at(0x480), KEYS_START);
    CHECK_EQUAL(word_at(0x482), KEYS_END);
    CHECK_EQUAL(byte_at(0x417) & 0x0F, 0); /* shift, control, alt */
    CHECK(byte_at(0x496) & ENHANCED_KEYBOARD);
}

void program_main(void)
{
    serial_ports_are_there();
    equipment_is_what_there_is();
    extended_area_lies_on_base_memory();
    no_key_waits();
}
