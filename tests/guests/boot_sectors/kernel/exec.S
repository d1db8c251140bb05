/* EXEC: a .COM program from the disk, its program segment prefix, and what comes back from it. */

#include "kernel.h"

        PROGRAM_SEGMENT = 0x1000

        .globl  program_ends, runs_a_program, waits_in_a_program

exec:                                           /* the file that SI names, with the tail at DI; CF, or its exit code in AL */
        movw    %di, tail
        movw    $PROGRAM_SEGMENT, %ax
        movw    %ax, %es
        movw    $0x100, %bx
        call    load_file
        jc      1f
        call    make_prefix
        pushal
        pushw   %ds
        pushw   %es
        movw    %sp, stack_of_kernel
        movw    $PROGRAM_SEGMENT, %ax
        movw    %ax, %ds
        movw    %ax, %es
        cli
        movw    %ax, %ss
        xorw    %sp, %sp
        sti
        pushw   $0                              /* RET leads to the prefix's INT 20h */
        ljmp    $PROGRAM_SEGMENT, $0x100
program_ends:                                   /* INT 20h, or INT 21h, AH=4Ch with a code in AL */
        cli
        movw    %cs, %bx
        movw    %bx, %ss
        movw    %cs:stack_of_kernel, %sp
        popw    %es
        popw    %ds
        movb    %al, exit_code
        popal
        sti
        cld
        movb    exit_code, %al
        clc
1:      ret

make_prefix:                                    /* at ES:0 */
        xorw    %di, %di
        xorw    %ax, %ax
        movw    $128, %cx
        rep stosw
        movw    $0x20CD, %es:0                  /* INT 20h */
        int     $0x12
        shlw    $6, %ax
        movw    %ax, %es:2                      /* the paragraph behind the program's memory */
        movw    $program_ends, %es:0x0A
        movw    %cs, %es:0x0C
        movl    $0xCB21CD, %es:0x50             /* INT 21h, RETF */
        movw    tail, %si
        movw    $0x80, %di
        lodsb
        stosb
        movzbw  %al, %cx
        rep movsb
        movb    $'\r', %al
        stosb
        ret

runs_a_program:
        movw    $no_such_file, %si
        movw    $no_tail, %di
        call    exec
        expect  1, jc
        movw    $hello, %si
        movw    $hello_tail, %di
        call    exec
        expect  2, jnc
        cmpb    $42, %al
        expect  3, je
        ret

waits_in_a_program:                             /* which hands over to the timer by HLT and counts by INT 1Ah */
        movw    $0, ticks
        hook    0x1C, tick
        movw    $waiter, %si
        movw    $no_tail, %di
        call    exec
        expect  1, jnc
        testb   %al, %al
        expect  2, jz
        cmpw    $3, ticks
        expect  3, jae
        ret

tick:   incw    %cs:ticks
        iretw

hello:  .ascii  "HELLO   COM"
waiter: .ascii  "WAITER  COM"
no_such_file:
        .ascii  "NOTHERE COM"
hello_tail:
        .byte   9
        .ascii  " /x scatt"
no_tail:
        .byte   0
exit_code:
        .byte   0
        .balign 2
tail:   .word   0
stack_of_kernel:
        .word   0
ticks:  .word   0
