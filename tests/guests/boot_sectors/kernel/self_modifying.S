/* Code that changes itself: an immediate, an opcode and a jump, over and over, in the loop that runs; also through another
 * segment, and by a string instruction.
 *
 * SDM volume 3A, section 8.1.3: what was written is executed behind a jump, or a serializing instruction. */

#include "kernel.h"

        .globl  self_modifying

        TURNS = 2000

self_modifying:
        movw    $0, immediate                   /* the sum of 1 to 2000, by an immediate that grows */
        xorl    %ebx, %ebx
        movw    $TURNS, %cx
1:      incw    immediate
        jmp     2f
2:      .byte   0xB8                            /* movw $…, %ax */
immediate:
        .word   0
        movzwl  %ax, %eax
        addl    %eax, %ebx
        loop    1b
        cmpl    $TURNS * (TURNS + 1) / 2, %ebx
        expect  1, je

        xorw    %bx, %bx                        /* INC and DEC in turn */
        xorw    %dx, %dx
        movw    $TURNS, %cx
3:      xorb    $0x43 ^ 0x4B, opcode
        jmp     opcode
opcode: incw    %bx
        addw    %bx, %dx
        loop    3b
        testw   %bx, %bx
        expect  2, jz
        cmpw    $-TURNS / 2, %dx
        expect  3, je

        movw    $KERNEL_SEGMENT - 0x10, %ax     /* a jump's distance, through a segment that begins 256 bytes earlier */
        movw    %ax, %es
        xorw    %bx, %bx
        xorw    %dx, %dx
        movw    $TURNS, %cx
4:      xorb    $odd - even, %es:distance + 0x100
        jmp     5f
5:      .byte   0xEB
distance:
        .byte   0
even:   incw    %bx
        jmp     6f
odd:    incw    %dx
6:      loop    4b
        cmpw    $TURNS / 2, %bx
        expect  4, je
        cmpw    $TURNS / 2, %dx
        expect  5, je

        movw    %cs, %ax                        /* a routine made of others, by REP MOVSB */
        movw    %ax, %es
        movw    $TURNS, %cx
        xorw    %dx, %dx
7:      pushw   %cx
        movw    $adds_three, %si
        testb   $1, %cl
        jz      8f
        movw    $takes_one, %si
8:      movw    $routine, %di
        movw    $4, %cx
        rep movsb
        call    routine
        popw    %cx
        loop    7b
        cmpw    $TURNS, %dx
        expect  6, je
        ret

adds_three:
        addw    $3, %dx
        ret
takes_one:
        subw    $1, %dx
        ret
routine:
        .fill   4, 1, 0xF4
