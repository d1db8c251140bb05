/* Real-mode programs that use memory above 1 MiB: "unreal mode", and the block move of INT 15h, AH=87h.
 *
 * SDM volume 3A, section 9.9 (switching modes), section 3.4.3 (the hidden part of a segment register: what protected mode has
 * loaded stays until the next load, and real mode loads bases only), section 2.4.1 (LGDT with a 16-bit operand: 24 bits). */

#include "kernel.h"
#include "protected.h"

        .globl  kernel_gdt, unreal, moves_blocks

        HIGH = 0x200000
        HIGHER = 0x300000
        LENGTH = 0x18000                        /* more than a segment's 64 KiB */

unreal: cli
        lgdtw   kernel_gdt
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        jmp     1f
1:      movw    $FLAT_DATA, %bx                 /* CS is what it was all the time */
        movw    %bx, %ds
        movw    %bx, %es
        andb    $0xFE, %al
        movl    %eax, %cr0
        jmp     2f
2:      xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es

        movl    $HIGH, %edi
        movl    $0x600DF00D, %eax
        movl    %eax, (%edi)                    /* an address-size prefix */
        cmpl    $0x600DF00D, (%edi)
        expect  1, je
        movl    $LENGTH / 4, %ecx
        movl    $0x01020304, %eax
        cld
3:      movl    %eax, (%edi)
        addl    $0x01010101, %eax
        addl    $4, %edi
        addr32 loop 3b
        cmpl    $HIGH + LENGTH, %edi
        expect  2, je

        movl    $HIGH, %esi
        movl    $HIGHER, %edi
        movl    $LENGTH / 4, %ecx
        addr32 rep movsl
        testl   %ecx, %ecx
        expect  3, jz
        cmpl    $HIGHER + LENGTH, %edi
        expect  4, je
        subl    $LENGTH, %esi
        subl    $LENGTH, %edi
        movl    $LENGTH, %ecx
        addr32 repe cmpsb
        expect  5, je
        movw    $0x1234, %ax                    /* a new base, the old limit */
        movw    %ax, %ds
        movl    $HIGH - 0x12340, %esi
        cmpl    $0x01020304, (%esi)
        expect  6, je
        movl    $0xFFFF0000 - 0x12340, %esi     /* up to the ROM below 4 GiB, which is the one at F0000 */
        movl    0xFFF0(%esi), %eax
        movw    $0xF000, %bx
        movw    %bx, %es
        cmpl    %es:0xFFF0, %eax
        expect  7, je

        movl    %cr0, %eax                      /* the limits that real mode is used to */
        orb     $1, %al
        movl    %eax, %cr0
        jmp     4f
4:      movw    $KERNEL_DATA, %bx
        movw    %bx, %ds
        movw    %bx, %es
        andb    $0xFE, %al
        movl    %eax, %cr0
        jmp     5f
5:      ret

/* 64 KiB to above 1 MiB, and back to another place */
moves_blocks:
        hook    0x15, system
        movw    $0x3000, %ax
        movw    %ax, %es
        xorw    %di, %di
        movw    $0xACE1, %ax
1:      movw    %ax, %es:(%di)
        imulw   $25173, %ax, %ax
        addw    $13849, %ax
        addw    $2, %di
        jnz     1b
        movw    %cs, %ax
        movw    %ax, %es
        movw    $to_high, %si
        movw    $0x8000, %cx
        movb    $0x87, %ah
        int     $0x15
        expect  1, jnc
        testb   %ah, %ah
        expect  2, jz
        movw    $from_high, %si
        movw    $0x8000, %cx
        movb    $0x87, %ah
        int     $0x15
        expect  3, jnc
        movw    $0x3000, %ax
        movw    %ax, %ds
        movw    $0x4000, %ax
        movw    %ax, %es
        xorw    %si, %si
        xorw    %di, %di
        movw    $0x8000, %cx
        repe cmpsw
        expect  4, je
        cmpw    $0xACE1, 0
        expect  5, je
        ret

system: cmpb    $0x87, %ah                      /* the hook: everything else is the BIOS's */
        je      block_move
        ljmp    *%cs:hooked_before

block_move:                                     /* CX words; at ES:SI six descriptors, of which the caller has filled two */
        pushw   %bp
        movw    %sp, %bp
        pushal
        pushw   %ds
        pushw   %es
        cli
        movzwl  %si, %esi
        xorl    %eax, %eax                      /* 08: this table itself */
        movw    %es, %ax
        shll    $4, %eax
        addl    %esi, %eax
        movw    $0x2F, %es:0x08(%si)
        movl    %eax, %es:0x0A(%si)
        movw    $0xFFFF, %es:0x20(%si)          /* 20: code */
        movl    $0x9B000000 + KERNEL_BASE, %es:0x22(%si)
        movw    $0, %es:0x26(%si)
        xorl    %eax, %eax                      /* 28: stack */
        movw    %ss, %ax
        shll    $4, %eax
        orl     $0x93000000, %eax
        movw    $0xFFFF, %es:0x28(%si)
        movl    %eax, %es:0x2A(%si)
        movw    $0, %es:0x2E(%si)
        movb    $0xFF, %es:0x0D(%si)            /* not part of the base */
        lgdtw   %es:0x08(%si)
        movw    %ss, %cs:stack_segment
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmp    $0x20, $1f
1:      movw    $0x28, %ax
        movw    %ax, %ss
        movw    $0x10, %ax
        movw    %ax, %ds
        movw    $0x18, %ax
        movw    %ax, %es
        xorw    %si, %si
        xorw    %di, %di
        cld
        rep movsw
        movw    $0x28, %ax                      /* with a limit of 64 KiB */
        movw    %ax, %ds
        movw    %ax, %es
        movl    %cr0, %eax
        andb    $0xFE, %al
        movl    %eax, %cr0
        ljmp    $KERNEL_SEGMENT, $2f
2:      movw    %cs:stack_segment, %ss
        popw    %es
        popw    %ds
        popal
        andb    $0xFE, 6(%bp)                   /* CF */
        popw    %bp
        movb    $0, %ah
        iretw

        .balign 8
kernel_gdt:                                     /* its first entry is never used: it holds the pointer */
        .word   kernel_gdt_end - kernel_gdt - 1
        .long   KERNEL_BASE + kernel_gdt
        .word   0
        .quad   0x00CF9B000000FFFF              /* FLAT_CODE */
        .quad   0x00CF93000000FFFF              /* FLAT_DATA */
        .quad   0x00009B000000FFFF + KERNEL_BASE << 16
        .quad   0x000093000000FFFF + KERNEL_BASE << 16
kernel_gdt_end:

to_high:
        .fill   2, 8, 0
        .quad   0x000093030000FFFF              /* from 30000 */
        .quad   0x000093110000FFFF              /* to 110000 */
        .fill   2, 8, 0
from_high:
        .fill   2, 8, 0
        .quad   0x000093110000FFFF
        .quad   0x000093040000FFFF              /* to 40000 */
        .fill   2, 8, 0
stack_segment:
        .word   0
