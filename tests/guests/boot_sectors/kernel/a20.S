/* The twenty-first address line: off, a real-mode address from 1 MiB on is one from 0 on; on, it is not.
 *
 * The line has two sources, either of which holds it up: the keyboard controller's output port (as HIMEM does it) and port 92h.
 * That code wraps too is why the line can be switched off at all: programs of CP/M's kind call F01D:FEF0, which is 000C0. */

#include "kernel.h"

        .globl  address_line_20

        CALL_5_SEGMENT = 0xF01D
        CALL_5 = 0xFEF0
        WRAPPED = 0xC0
        RETF = 0xCB
        STC = 0xF9

address_line_20:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $0xFFFF, %ax
        movw    %ax, %es
        movb    $0xDD, %bl
        call    output_port
        call    port_92_off
        movl    0, %ebx
        cmpl    %es:0x10, %ebx
        expect  1, je
        notl    0                               /* both ways: a store below … */
        movl    0, %eax
        cmpl    %es:0x10, %eax
        expect  2, je
        movl    %ebx, %es:0x10                  /* … and one above */
        cmpl    0, %ebx
        expect  3, je
        pushl   WRAPPED
        movb    $RETF, WRAPPED
        lcall   $CALL_5_SEGMENT, $CALL_5
        popl    WRAPPED

        inb     $0x92, %al                      /* on */
        orb     $2, %al
        andb    $0xFE, %al
        outb    %al, $0x92
        movl    %ebx, %eax
        notl    %eax
        movl    %eax, %es:0x10
        cmpl    0, %ebx
        expect  4, je
        cmpl    %es:0x10, %eax
        expect  5, je
        movw    $RETF << 8 | STC, %es:WRAPPED + 0x10
        clc
        lcall   $CALL_5_SEGMENT, $CALL_5
        expect  6, jc
        inb     $0x92, %al
        testb   $2, %al
        expect  7, jnz
        movb    $0xDF, %bl                      /* the other one, too */
        call    output_port
        ret

port_92_off:
        inb     $0x92, %al
        andb    $0xFC, %al                      /* bit 0 would reset */
        outb    %al, $0x92
        ret

output_port:                                    /* of the keyboard controller: BL */
        call    wait_for_controller
        movb    $0xD1, %al
        outb    %al, $0x64
        call    wait_for_controller
        movb    %bl, %al
        outb    %al, $0x60
        call    wait_for_controller
        ret

wait_for_controller:                            /* until it has taken what was written */
        pushw   %cx
        xorw    %cx, %cx
1:      inb     $0x64, %al
        testb   $2, %al
        loopnz  1b
        popw    %cx
        ret
