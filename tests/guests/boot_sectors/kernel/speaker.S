/* Counter 2 of the timer, the speaker's, as programs measure short times by it: gate in port 61h bit 0, OUT in bit 5.
 *
 * 8254 data sheet: mode 0 goes high once, at the end of the count; mode 3 is a square wave. */

#include "kernel.h"

        .globl  speaker

        OUT = 0x20
        COUNT = 200                             /* under two tenths of a millisecond */
        MOST_READS = 60000

speaker:
        inb     $0x61, %al
        movb    %al, before
        andb    $0xFC, %al                      /* the speaker off, the gate high */
        orb     $1, %al
        outb    %al, $0x61
        movw    $MOST_READS, %cx
1:      movb    $0xB0, %al                      /* mode 0: low at first, if nobody has kept us from looking */
        movw    $COUNT, %bx
        call    program
        inb     $0x61, %al
        testb   $OUT, %al
        loopnz  1b
        expect  1, jz
        movw    $MOST_READS, %cx                /* high at last … */
2:      inb     $0x61, %al
        testb   $OUT, %al
        loopz   2b
        expect  2, jnz
        movw    $50, %cx                        /* … and for good */
3:      inb     $0x61, %al
        testb   $OUT, %al
        expect  3, jnz
        loop    3b

        movb    $0xB6, %al                      /* mode 3: both levels come and go */
        movw    $COUNT, %bx
        call    program
        movw    $6, %dx                         /* edges */
        movw    $MOST_READS, %cx
        inb     $0x61, %al
        movb    %al, %bl
4:      inb     $0x61, %al
        xorb    %bl, %al
        testb   $OUT, %al
        jz      5f
        xorb    $OUT, %bl
        decw    %dx
        jz      6f
5:      loop    4b
6:      testw   %dx, %dx
        expect  4, jz
        movb    before, %al
        outb    %al, $0x61
        ret

program:                                        /* control word AL, count BX */
        outb    %al, $0x43
        movb    %bl, %al
        outb    %al, $0x42
        movb    %bh, %al
        outb    %al, $0x42
        ret

before: .byte   0
