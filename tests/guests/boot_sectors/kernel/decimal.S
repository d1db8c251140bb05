/* Decimal arithmetic, all of it: each pair of operands, beside what binary arithmetic and DIV by ten give.
 *
 * Only flags that the manual defines are looked at. SDM volume 1, section 7.3.3 (decimal arithmetic). */

#include "kernel.h"

        .globl  packed_decimal, unpacked_decimal

packed_decimal:                                 /* BH + BL and BH - BL, 0 to 99 each */
        xorw    %bx, %bx
1:      call    both_packed
        movb    %ch, %al                        /* CH, CL: BH, BL in packed digits */
        addb    %cl, %al
        daa
        sbbb    %ah, %ah                        /* CF: a hundred */
        movb    %al, %dl
        movb    %bh, %al
        addb    %bl, %al
        cmpb    $100, %al
        cmc
        sbbb    %dh, %dh
        cmpb    %dh, %ah
        expect  1, je
        testb   %dh, %dh
        jz      2f
        subb    $100, %al
2:      call    packed
        cmpb    %al, %dl
        expect  2, je

        movb    %ch, %al
        subb    %cl, %al
        das
        sbbb    %ah, %ah
        movb    %al, %dl
        movb    %bh, %al
        subb    %bl, %al
        sbbb    %dh, %dh
        cmpb    %dh, %ah
        expect  3, je
        testb   %dh, %dh
        jz      3f
        addb    $100, %al
3:      call    packed
        cmpb    %al, %dl
        expect  4, je
        incb    %bl
        cmpb    $100, %bl
        jb      1b
        xorb    %bl, %bl
        incb    %bh
        cmpb    $100, %bh
        jb      1b
        ret

both_packed:
        movb    %bh, %al
        call    packed
        movb    %al, %ch
        movb    %bl, %al
        call    packed
        movb    %al, %cl
        ret

packed:                                         /* AL, below 100, by DIV; ZF, CF as AL is */
        pushw   %cx
        xorb    %ah, %ah
        movb    $10, %cl
        divb    %cl
        shlb    $4, %al
        orb     %ah, %al
        popw    %cx
        ret

unpacked_decimal:                               /* digits BH, BL and a carry DL into the higher digit AH */
        xorw    %bx, %bx
1:      movb    %bh, %al
        movb    $3, %ah
        addb    %bl, %al
        aaa
        movw    %ax, %si
        sbbb    %cl, %cl                        /* CF */
        movb    %bh, %al
        addb    %bl, %al
        call    tens                            /* AH tens, AL ones */
        negb    %ah
        cmpb    %ah, %cl
        expect  1, je
        negb    %ah
        addb    $3, %ah
        cmpw    %ax, %si
        expect  2, je

        movb    %bh, %al
        movb    $3, %ah
        subb    %bl, %al
        aas
        movw    %ax, %si
        sbbb    %cl, %cl
        movb    %bh, %al
        addb    $10, %al
        subb    %bl, %al
        call    tens                            /* one ten: nothing was borrowed */
        decb    %ah
        cmpb    %ah, %cl
        expect  3, je
        addb    $3, %ah
        cmpw    %ax, %si
        expect  4, je
        incb    %bl
        cmpb    $10, %bl
        jb      1b
        xorb    %bl, %bl
        incb    %bh
        cmpb    $10, %bh
        jb      1b

        xorw    %bx, %bx                        /* AAM and AAD of every byte, in tens and in sixteens */
2:      movb    %bl, %al
        call    tens
        movw    %ax, %dx
        movb    %bl, %al
        movb    $0xFF, %ah
        aam
        pushfw
        cmpw    %dx, %ax
        expect  5, je
        popw    %cx                             /* ZF is AL's, SF 0 */
        testb   %al, %al
        pushfw
        popw    %si
        xorw    %cx, %si
        testw   $0xC4, %si
        expect  6, jz
        aad
        cmpw    %bx, %ax
        expect  7, je
        movb    %bl, %al
        aam     $16
        movb    %ah, %cl
        shlb    $4, %cl
        orb     %al, %cl
        cmpb    %bl, %cl
        expect  8, je
        aad     $16
        cmpw    %bx, %ax
        expect  9, je
        incb    %bl
        jnz     2b
        ret

tens:                                           /* AL: AH tens, AL ones, by DIV */
        pushw   %cx
        xorb    %ah, %ah
        movb    $10, %cl
        divb    %cl
        xchgb   %al, %ah
        popw    %cx
        ret
