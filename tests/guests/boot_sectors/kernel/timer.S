/* The timer without the BIOS: INT 8 hooked, 8254 programmed to 100 Hz, 8259 asked what is in service and told the end of it.
 *
 * 8254 data sheet: mode 2, latched counts; 8259A data sheet: OCW3 chooses the in-service register, OCW2 ends an interrupt. */

#include "kernel.h"

        .globl  own_timer, interrupted_copy

        COUNT = 11932                           /* 1193182 Hz / 100 */
        TICKS = 5
        MOST_HALTS = 1000
        FAST_COUNT = 60                         /* 20 kHz */
        INTERRUPTIONS = 3
        MOST_COPIES = 2000

own_timer:
        cli
        movw    $0, ticks
        movb    $0xFF, in_service
        movb    $0, ended
        hook    0x08, tick
        cli
        movb    $0x34, %al                      /* counter 0, both bytes, mode 2 */
        movw    $COUNT, %bx
        call    program
        movw    $MOST_HALTS, %cx
1:      sti
        hlt
        cli
        cmpw    $TICKS, ticks
        jae     2f
        loop    1b
2:      cmpw    $TICKS, ticks
        expect  1, jae
        testb   $1, in_service                  /* each time, before the end of interrupt … */
        expect  2, jnz
        testb   $1, ended                       /* … and never behind it */
        expect  3, jz
        call    latched                         /* it counts down from COUNT */
        cmpw    $COUNT, %ax
        expect  4, jbe
        movw    %ax, %dx
        movw    $100, %cx
3:      call    latched
        cmpw    %ax, %dx
        jne     4f
        loop    3b
4:      cmpw    %ax, %dx
        expect  5, jne
as_the_bios_has_it:
        movb    $0x36, %al
        xorw    %bx, %bx
        jmp     program

/* A repeated string instruction with a prefix before REP and a timer that interrupts it: it goes on where it was. */
interrupted_copy:
        movw    $0x3000, %ax
        movw    %ax, %fs
        movw    $0x4000, %ax
        movw    %ax, %es
        xorw    %bx, %bx
1:      movw    %bx, %fs:(%bx)
        addw    $2, %bx
        jnz     1b
        movw    $0, within
        hook    0x08, tick_within
        cli
        movb    $0x34, %al
        movw    $FAST_COUNT, %bx
        call    program
        movw    $MOST_COPIES, %dx
2:      xorw    %di, %di                        /* blank what is copied to */
        movw    $0x8000, %cx
        movw    $0xEEEE, %ax
        rep stosw
        xorw    %si, %si
        xorw    %di, %di
        movw    $0x8000, %cx
        sti
        nop                                     /* what waited comes here, not in the shadow of STI */
copy:   rep movsw %fs:(%si), %es:(%di)
        cli
        testw   %si, %si
        expect  1, jz
        xorw    %di, %di
        movw    $0x8000, %cx
        xorw    %ax, %ax
3:      scasw
        jne     4f
        addw    $2, %ax
        loop    3b
4:      testw   %cx, %cx
        expect  2, jz
        cmpw    $INTERRUPTIONS, within
        jae     as_the_bios_has_it
        decw    %dx
        jnz     2b
        call    as_the_bios_has_it
        cmpw    $INTERRUPTIONS, within
        expect  3, jae
        ret

tick_within:
        pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        cmpw    $copy, 2(%bp)
        jne     1f
        cmpw    $0x8000, %cx                    /* it has begun */
        je      1f
        incw    %cs:within
1:      movb    $0x20, %al
        outb    %al, $0x20
        popw    %ax
        popw    %bp
        iretw

program:                                        /* control word AL, count BX */
        outb    %al, $0x43
        movb    %bl, %al
        outb    %al, $0x40
        movb    %bh, %al
        outb    %al, $0x40
        ret

latched:
        movb    $0, %al
        outb    %al, $0x43
        inb     $0x40, %al
        movb    %al, %ah
        inb     $0x40, %al
        xchgb   %ah, %al
        ret

tick:   pushw   %ax
        incw    %cs:ticks
        call    read_in_service
        andb    %al, %cs:in_service
        movb    $0x20, %al
        outb    %al, $0x20
        call    read_in_service
        orb     %al, %cs:ended
        popw    %ax
        iretw

read_in_service:
        movb    $0x0B, %al
        outb    %al, $0x20
        inb     $0x20, %al
        ret

in_service:
        .byte   0
ended:  .byte   0
        .balign 2
ticks:  .word   0
within: .word   0
