/* HELLO.COM: looks at what a program finds when DOS starts it, and uses DOS. It is a few clusters long.
 * Its exit code is 42 when all is as it should be, else the number of what is not. */

        .code16
        .text

        NUMBERS = 900
        FACTOR = 7919

        .macro  expect number, condition
        movb    $\number, %bl
        \condition 77f
        jmp     failed
77:
        .endm

start:  movw    %cs, %ax                        /* one segment, the prefix below, a stack with a 0 at its end */
        movw    %ds, %bx
        cmpw    %ax, %bx
        expect  1, je
        movw    %es, %bx
        cmpw    %ax, %bx
        expect  2, je
        movw    %ss, %bx
        cmpw    %ax, %bx
        expect  3, je
        popw    %ax
        testw   %ax, %ax
        expect  4, jz
        cmpw    $0x20CD, 0
        expect  5, je
        cmpw    $0xA000, 2
        expect  6, jbe
        cmpb    $9, 0x80                        /* the command's tail */
        expect  7, je
        cmpl    $0x20782F20, 0x81               /* " /x " */
        expect  8, je
        cmpb    $'\r', 0x8A
        expect  9, je

        movw    $numbers, %si                   /* all that lies in further clusters */
        movw    $NUMBERS, %cx
        xorw    %dx, %dx
1:      lodsw
        cmpw    %dx, %ax
        expect  10, je
        addw    $FACTOR, %dx
        loop    1b

        movw    $text, %dx
        movb    $0x09, %ah
        int     $0x21
        movb    $'!', %dl
        movb    $0x02, %ah
        int     $0x21
        movw    $line_end, %dx                  /* as CP/M's programs do: a call into the prefix */
        movb    $0x09, %ah
        pushw   %cs
        call    0x50
        movw    $0x4C00 + 42, %ax
        int     $0x21

failed: movb    %bl, %al
        movb    $0x4C, %ah
        int     $0x21

line_end:
        .ascii  "\r\n$"
text:   .ascii  "a program, in clusters far from each other, is all there$"
        .balign 2
        .set    number, 0
numbers:
        .rept   NUMBERS
        .word   number & 0xFFFF
        .set    number, number + FACTOR
        .endr
