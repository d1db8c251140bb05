/* String instructions with DF set, within a segment and down across its beginning; and overlapping copies in both directions.
 *
 * SDM volume 1, section 7.3.9: SI and DI are 16 bits wide and wrap. Only operands that lie within the segment are used: a word
 * at offset FFFF would be a fault. */

#include "kernel.h"

        .globl  backward_strings

        SEGMENT = 0x2000                        /* all of its 64 KiB are ours */

backward_strings:
        movw    $SEGMENT, %ax
        movw    %ax, %es
        cld
        xorw    %di, %di
        movw    $0x8000, %cx
        movw    $0xEEEE, %ax
        rep stosw
        testw   %di, %di                        /* once around */
        expect  1, jz
        jcxz    1f
        jmp     check_failed

1:      std                                     /* bytes at 1, 0, FFFF, FFFE */
        movw    $1, %di
        movw    $4, %cx
        movb    $0x11, %al
        rep stosb
        cmpw    $0xFFFD, %di
        expect  2, je
        cmpw    $0x1111, %es:0
        expect  3, je
        cmpw    $0x1111, %es:0xFFFE
        expect  4, je
        cmpw    $0xEEEE, %es:0xFFFC
        expect  5, je
        cmpw    $0xEEEE, %es:2
        expect  6, je

        xorw    %di, %di                        /* words at 0, FFFE, FFFC */
        movw    $3, %cx
        movw    $0x2233, %ax
        rep stosw
        cmpw    $0xFFFA, %di
        expect  7, je
        cmpw    $0x2233, %es:0xFFFC
        expect  8, je
        cmpw    $0x2233, %es:0
        expect  9, je

        movw    $0x0102, %es:0                  /* from the ends of the segment into its middle */
        movw    $0x0304, %es:0xFFFE
        movw    $SEGMENT, %ax
        movw    %ax, %ds
        movw    $1, %si
        movw    $0x8003, %di
        movw    $4, %cx
        rep movsb
        cmpl    $0x01020304, 0x8000
        expect  10, je
        cmpw    $0xFFFD, %si
        expect  11, je

        movb    $0x55, 0xFFF0                   /* SCASB downwards across the beginning */
        movb    $0x55, %al
        movw    $8, %di
        movw    $0xFFFF, %cx
        repne scasb
        expect  12, je
        cmpw    $0xFFEF, %di
        expect  13, je
        cmpw    $0xFFFF - 25, %cx
        expect  14, je

        call    fill                            /* upwards by one: backwards it is a move … */
        movw    $0x1007, %si
        movw    $0x1008, %di
        movw    $8, %cx
        rep movsb
        cmpl    $0x33323130, 0x1001
        expect  15, je
        cmpb    $0x37, 0x1008
        expect  16, je
        call    fill                            /* … and forwards a fill */
        cld
        movw    $0x1000, %si
        movw    $0x1001, %di
        movw    $8, %cx
        rep movsb
        cmpl    $0x30303030, 0x1001
        expect  17, je
        cmpl    $0x30303030, 0x1005
        expect  18, je

        std                                     /* REPE CMPSB stops behind the difference */
        movw    $0x2007, %si
        movw    $0x3007, %di
        movl    $0x44434241, 0x2004
        movl    $0x44434241, 0x3004
        movb    $0x40, 0x3005
        movw    $8, %cx
        repe cmpsb
        expect  19, ja
        cmpw    $0x2004, %si
        expect  20, je
        cmpw    $5, %cx
        expect  21, je
        xorw    %cx, %cx                        /* with CX 0, nothing, flags neither */
        stc
        repe cmpsb
        expect  22, jc
        cmpw    $0x2004, %si
        expect  23, je

        movw    $0x100, %si                     /* LODSW through another segment */
        movw    %cs, %ax
        movw    %ax, %fs
        movw    %fs:0x100, %bx
        lodsw   %fs:(%si), %ax
        cmpw    %bx, %ax
        expect  24, je
        cmpw    $0xFE, %si
        expect  25, je
        ret

fill:   movl    $0x33323130, 0x1000
        movl    $0x37363534, 0x1004
        movb    $0x38, 0x1008
        ret
