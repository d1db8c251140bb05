/* A DOS extender in small: from real mode into flat 32-bit protected mode, a program above 1 MiB, INT 21h and the timer
 * from there, and back.
 *
 * Interrupts in protected mode are reflected: the handler goes back to real mode, executes INT there with the registers that
 * it was given, and returns with those that it got. Both modes use one stack, in the kernel's segment: ESP = SP + 600h.
 * SDM volume 3A, section 9.9; section 6.11 (gates). */

#include "kernel.h"
#include "protected.h"

        .globl  extender

        PROGRAM = 0x180000
        TICKS = 2
        MOST_HALTS = 1000

extender:
        movw    $0, ticks
        hook    0x1C, tick
        inb     $0x21, %al
        movb    %al, mask
        cli
        movb    $0xFE, %al                      /* the timer alone has a gate */
        outb    %al, $0x21
        lgdtl   kernel_gdt
        lidtl   protected_idt
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $FLAT_CODE, $KERNEL_BASE + flat

        .code32
flat:   movw    $FLAT_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movzwl  %sp, %esp
        addl    $KERNEL_BASE, %esp

        cld                                     /* a program to above 1 MiB, as a loader does; its result */
        movl    $KERNEL_BASE + program, %esi
        movl    $PROGRAM, %edi
        movl    $program_end - program, %ecx
        rep movsb
        movl    $PROGRAM, %eax
        movl    $1000, %ecx
        call    *%eax
        movl    %eax, KERNEL_BASE + sum

        movb    $0x30, %ah                      /* DOS: version; a line of text; a vector */
        movl    $0x12345678, %edi
        int     $0x21
        movw    %ax, KERNEL_BASE + version
        movl    %edi, KERNEL_BASE + kept
        movl    $greeting, %edx
        movb    $0x09, %ah
        int     $0x21

        movl    $MOST_HALTS, %ecx
1:      sti
        hlt
        cli
        cmpw    $TICKS, KERNEL_BASE + ticks
        jae     2f
        loop    1b

2:      ljmp    $KERNEL_CODE, $3f               /* and back for good */
        .code16
3:      call    to_real_mode
        movb    mask, %al
        outb    %al, $0x21
        sti
        cmpl    $500500, sum
        expect  1, je
        pushw   version
        dos     0x30
        popw    %bx
        cmpw    %ax, %bx
        expect  2, je
        cmpl    $0x12345678, kept
        expect  3, je
        cmpw    $TICKS, ticks
        expect  4, jae
        movl    %cr0, %eax
        testb   $1, %al
        expect  5, jz
        ret

/* From 16-bit protected mode to real mode, with a 16-bit return address of the flat stack */
to_real_mode:
        popw    %bx
        movw    $KERNEL_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        subl    $KERNEL_BASE, %esp
        movl    %cr0, %eax
        andb    $0xFE, %al
        movl    %eax, %cr0
        ljmp    $KERNEL_SEGMENT, $1f
1:      movw    %cs, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        lidtl   real_idt
        jmp     *%bx

        .code32
reflect_8:
        pushal
        movb    $0x08, KERNEL_BASE + reflected + 1
        jmp     reflect
reflect_21:
        pushal
        movb    $0x21, KERNEL_BASE + reflected + 1
reflect:
        ljmp    $KERNEL_CODE, $1f
        .code16
1:      call    to_real_mode
        popal
reflected:
        int     $0
        pushal
        cli
        cld
        lidtl   %cs:protected_idt
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $FLAT_CODE, $KERNEL_BASE + 2f
        .code32
2:      movw    $FLAT_DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movzwl  %sp, %esp
        addl    $KERNEL_BASE, %esp
        popal
        iretl

program:                                        /* runs anywhere: the sum of 1 to ECX in EAX */
        xorl    %eax, %eax
1:      addl    %ecx, %eax
        loop    1b
        ret
program_end:

        .code16
tick:   incw    %cs:ticks
        iretw

        .macro  gate handler
        .word   \handler + KERNEL_BASE, FLAT_CODE, 0x8E00, 0
        .endm

        .balign 8
protected_idt:
        .word   0x22 * 8 - 1
        .long   KERNEL_BASE + protected_idt
        .word   0
        .fill   7, 8, 0
        gate    reflect_8
        .fill   0x21 - 0x09, 8, 0
        gate    reflect_21
real_idt:
        .word   0x3FF
        .long   0
greeting:
        .ascii  "a line from protected mode\r\n$"
        .balign 4
sum:    .long   0
kept:   .long   0
ticks:  .word   0
version:
        .word   0
mask:   .byte   0
