/* Single-stepping, as DEBUG does it: TF, vector 1, and the places where it stops.
 *
 * SDM volume 3B, section 17.3.1.4: a trap behind each instruction that begins with TF set; INT clears TF and is not trapped
 * itself; a repeated string instruction is trapped behind each iteration; so is none that loads SS. */

#include "kernel.h"

        .globl  single_step

        FLAGS_TF = 0x100
        MOST = 16

single_step:
        movw    $0, count
        hook    1, record
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $called, %es:0x60*4
        movw    %cs, %es:0x60*4 + 2
        movw    %ds, %ax
        movw    %ax, %es
        movw    $source, %si
        movw    $target, %di
        movw    $3, %cx
        cli
        pushfw
        popw    %ax
        movw    %ax, %bx
        orw     $FLAGS_TF, %ax
        pushw   %bx
        pushw   %ax
        popfw
        nop                                     /* the first that begins with TF */
s1:     nop
s2:     rep movsb
s3:     int     $0x60
        nop                                     /* after IRET, which began without TF */
s4:     movw    %ss, %ax
s5:     movw    %ax, %ss
        nop
s6:     movw    %ax, %ds
s7:     jmp     1f
        ud2
1:
s8:     popfw
s9:     nop                                     /* POPF began with TF */
        movw    $places, %si
        movw    $recorded, %di
        movw    $PLACES, %cx
        cmpw    %cx, count
        expect  1, je
        repe cmpsw
        expect  2, je
        cmpw    $0x4242, %dx                    /* the handler of INT 60h has run */
        expect  3, je
        ret

called: movw    $0x4242, %dx
        iretw

record: pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        pushw   %bx
        cmpw    $MOST, %cs:count
        jae     1f
        movw    2(%bp), %ax
        movw    %cs:count, %bx
        shlw    $1, %bx
        movw    %ax, %cs:recorded(%bx)
        incw    %cs:count
1:      popw    %bx
        popw    %ax
        popw    %bp
        iretw

        .balign 2
places: .word   s1, s2, s2, s2, s3, s4, s5, s6, s7, s8, s9
        PLACES = (. - places) / 2
recorded:
        .fill   MOST, 2, 0
count:  .word   0
source: .ascii  "abc"
target: .ascii  "   "
