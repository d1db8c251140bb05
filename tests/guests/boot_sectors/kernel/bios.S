/* What a DOS asks of its BIOS besides the disk: the data area, INT 10h, 11h, 12h, 16h. */

#include "kernel.h"

        .globl  data_area, video, keys

        BDA = 0x40
        EQUIPMENT = 0x10
        MEMORY_KIB = 0x13
        KEYS_HEAD = 0x1A
        KEYS_TAIL = 0x1C
        VIDEO_MODE = 0x49
        COLUMNS = 0x4A
        CURSOR = 0x50

        .macro  into_data_area
        movw    $BDA, %ax
        movw    %ax, %es
        .endm

data_area:
        into_data_area
        int     $0x11
        cmpw    %es:EQUIPMENT, %ax
        expect  1, je
        testb   $1, %al                         /* there is a floppy drive */
        expect  2, jnz
        int     $0x12
        cmpw    %es:MEMORY_KIB, %ax
        expect  3, je
        cmpw    $600, %ax
        expect  4, ja
        cmpw    $640, %ax
        expect  5, jbe
        cmpw    $0x3F8, %es:0                   /* COM1 */
        expect  6, je
        movb    $0x88, %ah                      /* some MiB of extended memory */
        int     $0x15
        expect  7, jnc
        cmpw    $4096, %ax
        expect  8, ja
        ret

video:  into_data_area
        movb    $0x0F, %ah
        int     $0x10
        cmpb    %es:VIDEO_MODE, %al
        expect  1, je
        cmpb    $80, %ah
        expect  2, je
        cmpb    $80, %es:COLUMNS
        expect  3, je
        movb    $0x02, %ah                      /* to the third row */
        xorb    %bh, %bh
        movw    $0x0305, %dx
        int     $0x10
        cmpw    $0x0305, %es:CURSOR
        expect  4, je
        movw    $0x1111, %cx                    /* teletype moves the cursor, and nothing of its caller's */
        movw    $0x2222, %dx
        movw    $0x3333, %si
        movw    $0x4444, %di
        movw    $0x5555, %bp
        movw    $0x0E2A, %ax
        movw    $7, %bx
        int     $0x10
        cmpw    $0x1111, %cx
        expect  5, je
        cmpw    $0x2222, %dx
        expect  6, je
        cmpw    $0x3333, %si
        expect  7, je
        cmpw    $0x4444, %di
        expect  8, je
        cmpw    $0x5555, %bp
        expect  9, je
        movb    $0x03, %ah
        xorb    %bh, %bh
        int     $0x10
        cmpw    $0x0306, %dx
        expect  10, je
        movw    $0x0E0D, %ax
        int     $0x10
        cmpw    $0x0300, %es:CURSOR
        expect  11, je
        movw    $0x0E0A, %ax
        int     $0x10
        cmpw    $0x0400, %es:CURSOR
        expect  12, je
        ret

keys:   into_data_area
        movb    $0x01, %ah                      /* nobody types */
        int     $0x16
        expect  1, jz
        movb    $0x05, %ah                      /* two keys as a program puts them */
        movw    $0x1E61, %cx
        int     $0x16
        testb   %al, %al
        expect  2, jz
        movb    $0x05, %ah
        movw    $0x3062, %cx
        int     $0x16
        movw    %es:KEYS_HEAD, %bx
        cmpw    $0x1E61, %es:(%bx)
        expect  3, je
        movb    $0x01, %ah
        int     $0x16
        expect  4, jnz
        cmpw    $0x1E61, %ax
        expect  5, je
        movb    $0x00, %ah
        int     $0x16
        cmpw    $0x1E61, %ax
        expect  6, je
        movb    $0x00, %ah
        int     $0x16
        cmpw    $0x3062, %ax
        expect  7, je
        movw    %es:KEYS_HEAD, %bx
        cmpw    %es:KEYS_TAIL, %bx
        expect  8, je
        movb    $0x01, %ah
        int     $0x16
        expect  9, jz
        ret
