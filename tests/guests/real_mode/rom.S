/* A BIOS ROM that runs in real mode only: 16-bit addressing, the interrupt vector table, far transfers.
 *
 * It is entered at the reset vector and needs nothing but memory, so it is also the smallest test of a `--bios` machine. Each
 * check has a number; the first that fails goes to the debug-exit port, 0 when all hold.
 * SDM volume 3A, sections 9.1.4 (first instruction) and 20.1 (real-address mode). */

        .code16
        .text

        .macro  check number, condition         /* jump-condition that holds when the check does */
        movb    $\number, %bl
        \condition 77f
        jmp     failed
77:
        .endm

rom_start:                                      /* F000:0000 */
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7000, %sp

/* 1-2: the ROM is reached from below 1 MiB, and code runs in the segment that the reset vector jumped to */
        movw    %cs, %ax
        cmpw    $0xF000, %ax
        check   1, je
        movw    $0xF000, %ax
        movw    %ax, %es
        cmpl    $0x21214D4C, %es:signature
        check   2, je

/* 3: two segments, one place; 20 bits of segment and offset */
        movw    $0x1000, %ax
        movw    %ax, %es
        movw    $0x0800, %ax
        movw    %ax, %fs
        movw    $0xABCD, %es:0x0010
        cmpw    $0xABCD, %fs:0x8010
        check   3, je

/* 4-5: offsets wrap at 64 KiB in 16-bit addressing */
        movw    $0x1234, %es:0x0004
        movw    $0xFFFE, %si
        cmpw    $0x1234, %es:6(%si)
        check   4, je
        movw    $0xFFF0, %bp
        movw    $0x0100, %di
        movw    $0x5555, 0x00F4                 /* DS and SS are both 0 */
        cmpw    $0x5555, 4(%bp,%di)
        check   5, je

/* 6-8: INT pushes FLAGS, CS, IP of the next instruction, clears IF; IRET takes all back */
        movw    $handler, 0x40*4
        movw    %cs, 0x40*4+2
        sti
        stc
        int     $0x40
after:  check   6, jc
        cmpw    $after, 0x500
        check   7, je
        pushfw
        popw    %ax
        testw   $0x200, %ax
        check   8, jnz
        cli
        testw   $0x200, 0x502                   /* 9: FLAGS inside the handler */
        check   9, jz

/* 10: a divide error is a fault: its IP is the DIV itself */
        movw    $divide, 0
        movw    %cs, 2
        xorw    %cx, %cx
        movw    $1, %ax
        xorw    %dx, %dx
faulty: divw    %cx
        cmpw    $faulty, 0x500
        check   10, je

/* 11: an undefined opcode goes through vector 6 */
        movw    $undefined, 6*4
        movw    %cs, 6*4+2
        movw    $0, 0x500
        ud2
        cmpw    $0x0666, 0x500
        check   11, je

/* 12: far call and far return */
        lcall   $0xF000, $far_routine
        cmpw    $0x4242, %ax
        check   12, je

/* 13: 32-bit operands and addresses work with prefixes */
        movl    $0x12345678, %eax
        movl    %eax, 0x600
        movl    $0x600, %esi
        cmpw    $0x1234, 2(%esi)
        check   13, je

/* 14: string instructions use SI, DI, CX and both segments */
        cld
        movw    $0x600, %si
        movw    $0x0700, %di
        movw    $2, %cx
        rep movsw
        cmpl    $0x12345678, %es:0x0700
        check   14, je
        cmpw    $0x704, %di
        check   15, je

/* 16: LOOP counts CX, not ECX */
        movl    $0x00010003, %ecx
        xorw    %ax, %ax
1:      incw    %ax
        loop    1b
        cmpw    $3, %ax
        check   16, je

/* 17: PUSH SP pushes the value before the push (286 and later) */
        movw    %sp, %ax
        pushw   %sp
        popw    %dx
        cmpw    %ax, %dx
        check   17, je

/* 18: ENTER and LEAVE with 16-bit frames */
        movw    %sp, %ax
        enter   $8, $0
        leave
        cmpw    %ax, %sp
        check   18, je

/* 19: BCD: AAM of 57 is 5, 7 */
        movw    $57, %ax
        aam
        cmpw    $0x0507, %ax
        check   19, je

/* 20-21: into protected mode and back; the code segment keeps working on both sides */
        lgdtw   %cs:gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmp    $8, $in_protected_mode
in_protected_mode:
        movw    $16, %ax
        movw    %ax, %es
        movl    $0x200000, %esi
        movl    $0x0BADCAFE, %es:(%esi)
        movl    %cr0, %eax
        andb    $0xFE, %al
        movl    %eax, %cr0
        ljmp    $0xF000, $back
back:   cmpl    $0x0BADCAFE, %es:(%esi)         /* "unreal": the cached 4 GiB limit survives the way back */
        check   20, je
        movw    $0x1000, %ax
        movw    %ax, %es
        movw    $0x7777, %es:0
        movw    %es:0, %ax
        cmpw    $0x7777, %ax
        check   21, je

        xorb    %bl, %bl
failed: movb    %bl, %al
        outb    %al, $0xF4
1:      cli
        hlt
        jmp     1b

handler:
        pushw   %bp
        movw    %sp, %bp
        movw    2(%bp), %ax
        movw    %ax, 0x500
        popw    %bp
        pushfw
        popw    0x502
        iretw

divide: pushw   %bp
        movw    %sp, %bp
        movw    2(%bp), %ax
        movw    %ax, 0x500
        addw    $2, 2(%bp)
        popw    %bp
        iretw

undefined:
        pushw   %bp
        movw    %sp, %bp
        movw    $0x0666, 0x500
        addw    $2, 2(%bp)
        popw    %bp
        iretw

far_routine:
        movw    $0x4242, %ax
        lretw

        .align  8
gdt:    .quad   0
        .quad   0x00009B0F0000FFFF              /* code, 16-bit, base F0000 */
        .quad   0x00CF93000000FFFF              /* data, 4 GiB */
gdt_pointer:
        .word   23
        .long   0xF0000 + gdt
signature:
        .ascii  "LM!!"

        .org    0xFFF0
        ljmp    $0xF000, $0
        .org    0x10000
