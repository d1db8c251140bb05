/* A BIOS ROM that moves into the RAM under itself, as firmware does, through the host bridge's PAM registers.
 *
 * 82441FX data sheet, section 3.2.18: two bits an area say whether RAM is read (1) and written (2) there. What a PC does
 * with an area that reads the ROM and writes the RAM is not checked: emulators differ. Exit values as in real_mode. */

        .code16
        .text

        .macro  check number, condition
        movb    $\number, %bl
        \condition 77f
        jmp     failed
77:
        .endm

        .macro  attributes register, value      /* a PAM register of 00:00.0 */
        movl    $0x80000000 + (\register & 0xFC), %eax
        movw    $0xCF8, %dx
        outl    %eax, %dx
        movb    $\value, %al
        movw    $0xCFC + (\register & 3), %dx
        outb    %al, %dx
        .endm

rom_start:                                      /* F000:0000 */
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x7000, %sp
        movw    $0xD000, %ax
        movw    %ax, %ds
        movw    $0xF000, %ax
        movw    %ax, %es

/* 1-2: at first a write is lost, both to the ROM and where nothing is */
        movw    $0x1111, %es:variable
        cmpw    $0x4D4C, %es:variable
        check   1, je
        movw    $0x1111, 0
        movw    0, %cx
        movw    $0x2222, 0
        cmpw    0, %cx
        check   2, je

/* 3-4: PAM3 bits 1-0 are the 16 KiB at D0000, and no more */
        attributes 0x5C, 0x03
        movw    $0x1234, 0
        movw    $0x5678, 0x3FFE
        cmpw    $0x1234, 0
        check   3, je
        movw    $0x9ABC, 0x4000
        cmpw    $0x9ABC, 0x4000
        check   4, jne

/* 5-6: read-only RAM */
        attributes 0x5C, 0x01
        movw    $0x3333, 0
        cmpw    $0x1234, 0
        check   5, je
        cmpw    $0x5678, 0x3FFE
        check   6, je

/* 7-8: switched off and on again, the RAM keeps its content */
        attributes 0x5C, 0x00
        cmpw    $0x1234, 0
        check   7, jne
        attributes 0x5C, 0x03
        cmpw    $0x1234, 0
        check   8, je

/* The ROM to 2000:0000; there, PAM0's 64 KiB become RAM and get the copy; then back */
        movw    %es, %ax
        movw    %ax, %ds
        movw    $0x2000, %ax
        call    copy_rom
        ljmp    $0x2000, $elsewhere
elsewhere:
        attributes 0x59, 0x30
        movw    $0x2000, %ax
        movw    %ax, %ds
        movw    $0xF000, %ax
        call    copy_rom
        ljmp    $0xF000, $in_ram

/* 9-11: what was ROM can be written, its code too */
in_ram: movw    $0xF000, %ax
        movw    %ax, %ds
        call    constant
        cmpw    $0x4242, %ax
        check   9, je
        movw    $0x1111, variable
        cmpw    $0x1111, variable
        check   10, je
        movw    $0x4343, constant + 1
        call    constant
        cmpw    $0x4343, %ax
        check   11, je

/* 12-13: write-protected, as firmware leaves it */
        attributes 0x59, 0x10
        movw    $0x2222, variable
        cmpw    $0x1111, variable
        check   12, je
        movw    $0x4444, constant + 1
        call    constant
        cmpw    $0x4343, %ax
        check   13, je

/* 14-15: without the RAM, the ROM is what it was */
        attributes 0x59, 0x00
        cmpw    $0x4D4C, variable
        check   14, je
        call    constant
        cmpw    $0x4242, %ax
        check   15, je

        xorb    %bl, %bl
failed: movb    %bl, %al
        outb    %al, $0xF4
1:      cli
        hlt
        jmp     1b

copy_rom:                                       /* 64 KiB from DS:0 to AX:0 */
        pushw   %es
        movw    %ax, %es
        xorw    %si, %si
        xorw    %di, %di
        movw    $0x8000, %cx
        rep movsw
        popw    %es
        ret

constant:
        movw    $0x4242, %ax
        ret

variable:
        .ascii  "LM"

        .org    0xFFF0
        ljmp    $0xF000, $0
        .org    0x10000
