/* A BIOS ROM that shuts the processor down by an interrupt: there is no vector table when the timer's comes.
 *
 * With IDTR's limit 0, delivering vector 8 is a general-protection fault, that one's delivery a double fault, and the double
 * fault's shutdown: SDM volume 3A, section 6.15 (interrupt 8), volume 3B, section 20.1.4. Whoever goes on behind HLT writes
 * 1 to the debug-exit port. */

        .code16
        .text

rom_start:                                      /* F000:0000 */
        cli
        lidtl   %cs:no_table
        movb    $0x11, %al                      /* the 8259: vectors from 8 on, the timer alone */
        outb    %al, $0x20
        movb    $0x08, %al
        outb    %al, $0x21
        movb    $0x04, %al
        outb    %al, $0x21
        movb    $0x01, %al
        outb    %al, $0x21
        movb    $0xFE, %al
        outb    %al, $0x21
        movb    $0x34, %al                      /* the 8254: 1193 counts, mode 2 */
        outb    %al, $0x43
        movb    $0xA9, %al
        outb    %al, $0x40
        movb    $0x04, %al
        outb    %al, $0x40
        sti
        hlt
        movb    $1, %al
        outb    %al, $0xF4
1:      jmp     1b

no_table:
        .word   0
        .long   0

        .org    0xFFF0
        ljmp    $0xF000, $0
        .org    0x10000
