/* Exceptions through the vector table: divide error, overflow, bound.
 *
 * SDM volume 3A, section 6.5 (faults push the address of the instruction itself, prefixes included, traps that of the next one)
 * and volume 3B, section 20.1.4 (the interrupt table of real-address mode). */

#include "kernel.h"

        .globl  divide_errors, overflow_and_bound

        FLAGS_IF = 0x200

        .macro  faults number, length           /* the instruction that follows, so many bytes long, does */
        movw    $\length, skip
        movw    $0, seen_ip
        movw    $78f, expected_ip
        movb    $\number, step
78:
        .endm

        .macro  did_fault
        movw    expected_ip, %ax
        cmpw    %ax, seen_ip
        jne     check_failed
        .endm

divide_errors:
        hook    0, fault
        sti
        movw    $1, %ax
        xorw    %bx, %bx
        xorw    %dx, %dx
        faults  1, 2
        divw    %bx
        did_fault
        cmpw    $KERNEL_SEGMENT, seen_cs
        expect  2, je
        testw   $FLAGS_IF, seen_flags           /* as they were pushed … */
        expect  3, jnz
        testw   $FLAGS_IF, flags_inside         /* … and in the handler */
        expect  4, jz
        movw    $0x1234, %ax                    /* a quotient too large; nothing changes */
        movw    $0x5678, %dx
        movw    $0x5678, %bx
        faults  5, 2
        divw    %bx
        cmpw    $0x5678, %dx
        expect  6, je
        did_fault
        movw    $0x8000, %ax                    /* -32768 / -1 */
        cwtd
        movw    $-1, %bx
        faults  7, 2
        idivw   %bx
        did_fault
        movw    $0x100, %ax
        movb    $1, %bl
        faults  8, 2
        divb    %bl
        did_fault
        faults  9, 2                            /* AAM 0 */
        aam     $0
        did_fault
        movw    $0, seen_ip
        movl    $1, zero
        movl    $0, zero
        faults  10, 6                           /* segment and size prefix, 32-bit operand in memory */
        divl    %cs:zero
        did_fault
        movw    $100, %ax                       /* and one that is right */
        movb    $7, %bl
        movw    $0, seen_ip
        divb    %bl
        cmpw    $0x020E, %ax
        expect  11, je
        cmpw    $0, seen_ip
        expect  12, je
        ret

overflow_and_bound:
        hook    4, trap
        movw    $0, seen_ip
        movb    $1, %al
        addb    $1, %al
        into
        cmpw    $0, seen_ip
        expect  1, je
        movb    $0x7F, %al
        addb    $1, %al
        into
1:      movw    $1b, %ax
        cmpw    %ax, seen_ip
        expect  2, je
        call    unhook

        hook    5, fault
        movw    $0, seen_ip
        movw    $-5, %bx                        /* both ends are within, signed */
        boundw  %bx, bounds
        movw    $7, %bx
        boundw  %bx, bounds
        cmpw    $0, seen_ip
        expect  3, je
        movw    $8, %bx
        faults  4, 4
        boundw  %bx, bounds
        did_fault
        movw    $-6, %bx
        faults  5, 4
        boundw  %bx, bounds
        did_fault
        movl    $70000, %ebx
        faults  6, 5
        boundl  %ebx, bounds32
        did_fault
        ret

fault:  pushfw
        popw    %cs:flags_inside
        pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        movw    2(%bp), %ax
        movw    %ax, %cs:seen_ip
        movw    4(%bp), %ax
        movw    %ax, %cs:seen_cs
        movw    6(%bp), %ax
        movw    %ax, %cs:seen_flags
        movw    %cs:skip, %ax
        addw    %ax, 2(%bp)
        popw    %ax
        popw    %bp
        iretw

trap:   pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        movw    2(%bp), %ax
        movw    %ax, %cs:seen_ip
        popw    %ax
        popw    %bp
        iretw

        .balign 4
bounds: .word   -5, 7
bounds32:
        .long   -1, 69999
zero:   .long   0
skip:   .word   0
expected_ip:
        .word   0
seen_ip:
        .word   0
seen_cs:
        .word   0
seen_flags:
        .word   0
flags_inside:
        .word   0
