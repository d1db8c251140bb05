/* A BIOS that has just enough to start a floppy that lies in the same ROM: reset, chips, vector table, data area, INT 19h.
 *
 * The ROM is 128 KiB: the floppy, shortened, from E000:0000 on; this program in the last 16 KiB. Its services are in the
 * files beside it. SDM volume 3A, section 9.1.4 (first instruction); the data area is the PC/AT's. */

#include "bios.h"

        .globl  reset
reset:  cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x7C00, %sp
        call    fill_vectors
        call    fill_data_area
        call    start_com1
        call    start_pic
        call    start_timer
        sti
        int     $0x19

/* The vector table: interrupts of the devices are acknowledged, everything else returns, except what the list names. */
fill_vectors:
        xorw    %ax, %ax
        movw    %ax, %es
        xorw    %di, %di
        movw    $256, %cx
1:      movw    $nothing, %ax
        stosw
        movw    $BIOS_SEGMENT, %ax
        stosw
        loop    1b
        movw    $0x08*4, %di
        movw    $master_interrupt, %ax
        call    eight_vectors
        movw    $0x70*4, %di
        movw    $slave_interrupt, %ax
        call    eight_vectors
        movw    $vectors, %si
2:      lodsw   %cs:(%si), %ax
        testw   %ax, %ax
        jz      3f
        movw    %ax, %di
        movsw   %cs:(%si), %es:(%di)
        jmp     2b
3:      ret

eight_vectors:                                  /* to AX, from ES:DI on */
        movw    $8, %cx
1:      stosw
        addw    $2, %di
        loop    1b
        ret

vectors:
        .word   0x08*4, timer_interrupt
        .word   0x10*4, video
        .word   0x11*4, equipment
        .word   0x12*4, memory_size
        .word   0x13*4, disk
        .word   0x15*4, system
        .word   0x16*4, keys
        .word   0x18*4, no_disk
        .word   0x19*4, bootstrap
        .word   0x1A*4, time_of_day
        .word   0

/* What a DOS looks at without asking. */
fill_data_area:
        movw    $BDA, %ax
        movw    %ax, %es
        movw    %ax, %ds
        xorw    %ax, %ax
        xorw    %di, %di
        movw    $128, %cx
        rep stosw
        movw    $COM1, BDA_COM1
        movw    $0x0221, BDA_EQUIPMENT          /* a floppy, 80 columns of colour, one serial port */
        movw    $640, BDA_MEMORY_KIB
        movw    $BDA_KEYS, BDA_KEYS_HEAD
        movw    $BDA_KEYS, BDA_KEYS_TAIL
        movw    $BDA_KEYS, BDA_KEYS_FIRST
        movw    $BDA_KEYS_BEHIND, BDA_KEYS_LAST
        movb    $3, BDA_VIDEO_MODE
        movw    $80, BDA_COLUMNS
        movw    $0x0607, BDA_CURSOR_SHAPE
        movw    $0x03D4, BDA_CRTC
        movb    $24, BDA_LAST_ROW
        ret

start_com1:                                     /* 115200 baud, 8N1, FIFOs on, no interrupts */
        movw    $com1_settings, %si
        movw    $6, %cx
1:      lodsw   %cs:(%si), %ax
        movw    $COM1, %dx
        addb    %ah, %dl
        outb    %al, %dx
        loop    1b
        ret
com1_settings:                                  /* value, register */
        .byte   0x00,1, 0x80,3, 0x01,0, 0x00,1, 0x03,3, 0x07,2

start_pic:                                      /* vectors 8 and 70h; the timer alone may interrupt */
        movb    $0x11, %al
        outb    %al, $0x20
        outb    %al, $0xA0
        movb    $0x08, %al
        outb    %al, $0x21
        movb    $0x70, %al
        outb    %al, $0xA1
        movb    $0x04, %al
        outb    %al, $0x21
        movb    $0x02, %al
        outb    %al, $0xA1
        movb    $0x01, %al
        outb    %al, $0x21
        outb    %al, $0xA1
        movb    $0xFE, %al
        outb    %al, $0x21
        movb    $0xFF, %al
        outb    %al, $0xA1
        ret

start_timer:                                    /* counter 0: square wave, 65536 */
        movb    $0x36, %al
        outb    %al, $0x43
        xorb    %al, %al
        outb    %al, $0x40
        outb    %al, $0x40
        ret

slave_interrupt:
        pushw   %ax
        movb    $0x20, %al
        outb    %al, $0xA0
        jmp     1f
master_interrupt:
        pushw   %ax
        movb    $0x20, %al
1:      outb    %al, $0x20
        popw    %ax
nothing:
        iretw

timer_interrupt:
        pushw   %ds
        pushw   %ax
        movw    $BDA, %ax
        movw    %ax, %ds
        incl    BDA_TICKS
        cmpl    $0x1800B0, BDA_TICKS            /* a day */
        jb      1f
        movl    $0, BDA_TICKS
        movb    $1, BDA_MIDNIGHT
1:      int     $0x1C
        movb    $0x20, %al
        outb    %al, $0x20
        popw    %ax
        popw    %ds
        iretw

bootstrap:                                      /* INT 19h: the first sector of drive 0 to 0000:7C00; three tries */
        sti
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7C00, %sp
        movw    $3, %di
1:      xorw    %ax, %ax
        xorw    %dx, %dx
        int     $0x13
        movw    $0x0201, %ax
        movw    $0x7C00, %bx
        movw    $0x0001, %cx
        xorw    %dx, %dx
        int     $0x13
        jnc     2f
        decw    %di
        jnz     1b
        int     $0x18
2:      cmpw    $0xAA55, 0x7DFE
        jne     3f
        ljmp    $0, $0x7C00
3:      int     $0x18

no_disk:                                        /* INT 18h, once ROM BASIC */
        movw    $no_disk_text, %si
1:      lodsb   %cs:(%si), %al
        testb   %al, %al
        jz      2f
        movb    $0x0E, %ah
        int     $0x10
        jmp     1b
2:      cli
        hlt
        jmp     2b
no_disk_text:
        .asciz  "Not a boot disk\r\n"

        .section .reset, "ax"                   /* at FFFF:0000 */
        ljmp    $BIOS_SEGMENT, $reset
        .org    16
