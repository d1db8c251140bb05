/* Which processor is it? As programs of the field find out; and what only system software does in real mode: LMSW, LIDT.
 *
 * SDM volume 1, section 19.1 (FLAGS bits that a processor has or lacks), volume 2, LMSW (sets PE, never clears it), FSAVE (94
 * bytes with a 16-bit operand size); volume 3B, section 20.1.4: the vector table is where IDTR says, and as long. */

#include "kernel.h"

        .globl  which_processor, coprocessor, machine_status_word, moved_vector_table

        TABLE_SEGMENT = 0x3000
        VECTOR = 0x60

which_processor:
        pushfw
        popw    %bx
        movw    %bx, %ax                        /* an 8086 has ones in bits 15-12 … */
        andb    $0x0F, %ah
        pushw   %ax
        popfw
        pushfw
        popw    %ax
        testb   $0xF0, %ah
        expect  1, jz
        movw    %bx, %ax                        /* … a 286 zeros in real mode; bit 15 is none */
        orb     $0xF0, %ah
        pushw   %ax
        popfw
        pushfw
        popw    %ax
        pushw   %bx
        popfw
        andb    $0xF0, %ah
        cmpb    $0x70, %ah
        expect  2, je
        movl    $0x40000, %edx                  /* AC: a 486 */
        call    changeable
        expect  3, je
        movl    $0x200000, %edx                 /* ID: CPUID */
        call    changeable
        expect  4, je
        xorl    %eax, %eax
        cpuid
        cmpl    $1, %eax
        expect  5, jae
        movl    $1, %eax
        cpuid
        testb   $1, %dl                         /* with a floating-point unit */
        expect  6, jnz
        movw    $0x8021, %ax                    /* shift counts are of five bits */
        movb    $33, %cl
        shlw    %cl, %ax
        cmpw    $0x0042, %ax
        expect  7, je
        ret

changeable:                                     /* EDX in EFLAGS: ZF */
        pushfl
        popl    %eax
        movl    %eax, %ecx
        xorl    %edx, %eax
        pushl   %eax
        popfl
        pushfl
        popl    %eax
        pushl   %ecx
        popfl
        xorl    %ecx, %eax
        cmpl    %edx, %eax
        ret

coprocessor:
        movw    $0x5A5A, area
        fninit
        fnstsw  area
        cmpw    $0, area
        expect  1, je
        fnstcw  area
        cmpw    $0x037F, area
        expect  2, je
        movw    $area, %di
        movw    $AREA + 2, %cx
        movb    $0xEE, %al
        rep stosb
        fld1
        fldz
        fnsave area
        cmpl    $0, area + 14                   /* ST(0), then ST(1) */
        expect  3, je
        cmpl    $0x3FFF8000, area + 14 + 10 + 6
        expect  4, je
        cmpw    $0xEEEE, area + AREA
        expect  5, je
        fnstsw  %ax                             /* FSAVE initialises */
        testw   $0x3800, %ax
        expect  6, jz
        frstor area
        faddp                                   /* 0 + 1 */
        fistps  area
        cmpw    $1, area
        expect  7, je
        fninit
        ret

machine_status_word:                            /* as on a 286, which never comes back; we do, by CR0 */
        cli
        smsww   %bx
        testb   $1, %bl
        expect  1, jz
        movw    %bx, %ax
        orb     $1, %al
        lmsww   %ax
        jmp     1f
1:      smsww   %cx
        lmsww   %bx
        smsww   %dx
        movl    %cr0, %eax
        andb    $0xFE, %al
        movl    %eax, %cr0
        jmp     2f
2:      testb   $1, %cl
        expect  2, jnz
        testb   $1, %dl
        expect  3, jnz
        smsww   %ax
        cmpw    %bx, %ax
        expect  4, je
        ret

moved_vector_table:
        cli
        movw    $TABLE_SEGMENT, %ax
        movw    %ax, %es
        xorw    %ax, %ax
        movw    %ax, %ds
        xorw    %si, %si
        xorw    %di, %di
        movw    $512, %cx
        rep movsw
        movw    %cs, %ax
        movw    %ax, %ds
        movw    $there, %es:VECTOR*4
        movw    %cs, %es:VECTOR*4 + 2
        movw    $outside, %es:13*4
        movw    %cs, %es:13*4 + 2
        hook    VECTOR, here
        cli
        xorw    %dx, %dx
        int     $VECTOR
        movw    %dx, %bx
        lidtl   moved_table
        int     $VECTOR
        movw    %dx, %cx
        lidtl   short_table
1:      int     $VECTOR                         /* its fourth byte is outside: a fault, without an error code */
        lidtl   real_table
        int     $VECTOR
        cmpw    $0x1111, %bx
        expect  1, je
        cmpw    $0x2222, %cx
        expect  2, je
        cmpw    $0x1111, %dx
        expect  3, je
        cmpw    $1b, outside_ip
        expect  4, je
        ret

here:   movw    $0x1111, %dx
        iretw
there:  movw    $0x2222, %dx
        iretw
outside:
        pushw   %bp
        movw    %sp, %bp
        pushw   2(%bp)
        popw    %cs:outside_ip
        addw    $2, 2(%bp)
        popw    %bp
        iretw

        .balign 2
moved_table:
        .word   0x3FF
        .long   TABLE_SEGMENT << 4
short_table:
        .word   VECTOR*4 + 2
        .long   TABLE_SEGMENT << 4
real_table:
        .word   0x3FF
        .long   0
outside_ip:
        .word   0
        AREA = 94
area:   .fill   AREA + 2, 1, 0
