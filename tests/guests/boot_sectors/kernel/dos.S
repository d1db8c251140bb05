/* The DOS part: INT 20h and INT 21h (AH=02h, 09h, 25h, 30h, 35h, 4Ch), output on COM1.
 *
 * A program's end goes back to where EXEC was called (exec.S), as does a program's RET to the INT 20h at its PSP:0. */

#include "kernel.h"

        COM1 = 0x3F8
        VERSION = 0x1F03                        /* 3.31: major in AL */

        .globl  start_com1, install_dos, dos_services

start_com1:                                     /* 115200 baud, 8N1, no interrupts */
        movw    $com1_settings, %si
        movw    $5, %cx
1:      lodsw
        movw    $COM1, %dx
        addb    %ah, %dl
        outb    %al, %dx
        loop    1b
        ret
com1_settings:                                  /* value, register */
        .byte   0x00,1, 0x80,3, 0x01,0, 0x00,1, 0x03,3

install_dos:
        pushw   %es
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $int20, %es:0x20*4
        movw    %cs, %es:0x20*4 + 2
        movw    $int21, %es:0x21*4
        movw    %cs, %es:0x21*4 + 2
        popw    %es
        ret

int20:  xorb    %al, %al
        jmp     program_ends

int21:  sti
        cld
        cmpb    $0x02, %ah
        je      print_character
        cmpb    $0x09, %ah
        je      print_string
        cmpb    $0x25, %ah
        je      set_vector
        cmpb    $0x30, %ah
        je      version
        cmpb    $0x35, %ah
        je      get_vector
        cmpb    $0x4C, %ah
        je      program_ends
        pushw   %bp                             /* there is no such function */
        movw    %sp, %bp
        orb     $1, 6(%bp)
        popw    %bp
        movw    $1, %ax
        iretw

print_character:                                /* DL */
        movb    %dl, %al
        call    put
        iretw

print_string:                                   /* DS:DX, up to a dollar sign */
        pushw   %si
        movw    %dx, %si
1:      lodsb
        cmpb    $'$', %al
        je      2f
        call    put
        jmp     1b
2:      popw    %si
        iretw

set_vector:                                     /* AL to DS:DX */
        pushw   %es
        pushw   %bx
        call    vector
        cli
        movw    %dx, %es:(%bx)
        movw    %ds, %es:2(%bx)
        popw    %bx
        popw    %es
        iretw

get_vector:                                     /* AL in ES:BX */
        call    vector
        lesw    %es:(%bx), %bx
        iretw

vector: xorw    %bx, %bx
        movw    %bx, %es
        movb    %al, %bl
        shlw    $2, %bx
        ret

version:
        movw    $VERSION, %ax
        xorw    %bx, %bx
        xorw    %cx, %cx
        iretw

put:    pushw   %ax                             /* AL to the serial port */
        pushw   %dx
        movb    %al, %ah
        movw    $COM1 + 5, %dx
1:      inb     %dx, %al
        testb   $0x20, %al                      /* transmitter holding register empty */
        jz      1b
        movw    $COM1, %dx
        movb    %ah, %al
        outb    %al, %dx
        popw    %dx
        popw    %ax
        ret

dos_services:
        dos     0x30
        cmpw    $VERSION, %ax
        expect  1, je
        movb    $0x60, %al                      /* a user's vector: what 25h puts, 35h gets, and INT finds */
        movw    $handler, %dx
        dos     0x25
        movb    $0x60, %al
        dos     0x35
        cmpw    $handler, %bx
        expect  2, je
        movw    %es, %ax
        cmpw    $KERNEL_SEGMENT, %ax
        expect  3, je
        xorw    %ax, %ax
        int     $0x60
        cmpw    $0x6060, %ax
        expect  4, je
        clc
        dos     0xFE
        expect  5, jc
        cmpw    $1, %ax
        expect  6, je
        ret
handler:
        movw    $0x6060, %ax
        iretw
