/* KERNEL.SYS: a small DOS, loaded to 0060:0000 by a boot sector, that checks the machine under it.
 *
 * What it relies on is a PC with a BIOS and a floppy; it is booted by ours and by SeaBIOS. Each check is a line on COM1,
 * "ok …" or "FAILED …, step n"; the number of those that failed goes to the debug-exit port. Memory, as linear addresses:
 *
 *     00600  this kernel, its stack below 06FF0      10000  programs         30000, 40000  data of the checks
 *     08000  FATs, 0A400 root directory              20000  a whole segment  above 1 MiB   likewise
 */

#include "kernel.h"

        STACK = step
        NOTHING = 0xFF                          /* no vector is hooked */

        .globl  boot_drive, check_failed, hook_vector, unhook, hooked_before

start:  cli
        cld
        movw    %cs, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $STACK, %sp
        sti
        movb    %dl, boot_drive
        movb    %bl, boot_drive_again
        call    start_com1
        call    install_dos
        movw    $checks, %si
1:      lodsw
        testw   %ax, %ax
        jz      2f
        movw    %ax, %bx
        lodsw
        pushw   %si
        movw    %ax, check_name
        movw    %sp, check_stack
        call    *%bx
        call    put_kernel_segments
        movw    $ok, %dx
        call    report
        movw    $line_end, %dx
        dos     0x09
next_check:
        popw    %si
        jmp     1b
2:      movw    $end, %dx
        dos     0x09
        movb    failures, %al
        outb    %al, $0xF4
3:      cli
        hlt
        jmp     3b

put_kernel_segments:
        movw    %cs, %ax
        movw    %ax, %ds
        movw    %ax, %es
        cld
        sti
        jmp     unhook

check_failed:                                   /* jumped to from anywhere within a check */
        cli
        movw    %cs, %ax
        movw    %ax, %ss
        movw    %cs:check_stack, %sp
        call    put_kernel_segments
        incb    failures
        movw    $failed, %dx
        call    report
        movw    $at_step, %dx
        dos     0x09
        movb    step, %al
        aam
        addw    $0x3030, %ax
        movb    %al, digits + 1
        movb    %ah, digits
        movw    $digits, %dx
        dos     0x09
        jmp     next_check

report: dos     0x09
        movw    check_name, %dx
        dos     0x09
        ret

hook_vector:                                    /* AL to CS:DX */
        pushw   %es
        pushw   %bx
        movb    %al, hooked
        dos     0x35
        movw    %bx, hooked_before
        movw    %es, hooked_before + 2
        popw    %bx
        popw    %es
        dos     0x25
        ret

unhook: cmpb    $NOTHING, hooked
        je      1f
        pushw   %ds
        movb    hooked, %al
        movb    $NOTHING, hooked
        ldsw    hooked_before, %dx
        dos     0x25
        popw    %ds
1:      ret

boot_sector_check:
        movb    boot_drive, %al
        cmpb    %al, boot_drive_again
        expect  1, je
        testb   %al, %al
        expect  2, jz
        movw    $0x1FE0, %ax                    /* the boot sector is where it moved to, and it is one */
        movw    %ax, %es
        cmpw    $0xAA55, %es:0x7DFE
        expect  3, je
        ret

        .macro  list check, name:vararg
        .word   \check, 9f
        .pushsection .text, 1
9:      .ascii  \name
        .byte   '$'
        .popsection
        .endm

checks: list    boot_sector_check, "boot sector"
        list    data_area, "BIOS data area, INT 11h and 12h"
        list    video, "INT 10h"
        list    keys, "INT 16h"
        list    disk, "INT 13h"
        list    dos_services, "INT 21h: version and vectors"
        list    runs_a_program, "EXEC of a program from a scattered file"
        list    waits_in_a_program, "INT 1Ch while a program halts, INT 20h"
        list    own_timer, "INT 8: 8254 and 8259 in our own hands"
        list    interrupted_copy, "REP MOVSW with a prefix, interrupted"
        list    speaker, "counter 2 of the 8254"
        list    which_processor, "which processor it is"
        list    coprocessor, "the coprocessor's 16-bit state"
        list    machine_status_word, "SMSW and LMSW"
        list    moved_vector_table, "vector table moved by LIDT"
        list    packed_decimal, "DAA and DAS"
        list    unpacked_decimal, "AAA, AAS, AAM and AAD"
        list    divide_errors, "divide error"
        list    overflow_and_bound, "INTO and BOUND"
        list    single_step, "single step"
        list    backward_strings, "strings backwards, across a segment's end"
        list    self_modifying, "code that changes itself"
        list    address_line_20, "A20"
        list    unreal, "4 GiB segments in real mode"
        list    moves_blocks, "INT 15h, AH=87h"
        list    extender, "32-bit protected mode and back"
        .word   0

ok:     .ascii  "ok $"
failed: .ascii  "FAILED $"
at_step:
        .ascii  ", step $"
digits: .ascii  "00"
line_end:
        .ascii  "\r\n$"
end:    .ascii  "end of checks\r\n$"

failures:
        .byte   0
hooked: .byte   NOTHING
boot_drive:
        .byte   0
boot_drive_again:
        .byte   0
        .balign 4
hooked_before:
        .long   0
check_name:
        .word   0
check_stack:
        .word   0
