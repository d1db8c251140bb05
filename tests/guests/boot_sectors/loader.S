/* The boot sector of a FAT12 floppy, as DOS has it: finds KERNEL.SYS in the root directory, loads it to 0060:0000, goes there.
 *
 * The BIOS loads it to 0000:7C00 with the drive in DL. It moves itself out of the way of what it loads:
 *
 *     0060:0000   00600   root directory, then KERNEL.SYS
 *     2000:0000   20000   FAT (1FE0:0200)
 *     1FE0:7C00   27A00   the boot sector; its stack below
 *
 * Sectors are read one at a time, each three times at most, with a reset of the drive in between. The kernel finds the drive in
 * BL and DL. When something is wrong: a message, a key, INT 19h. The parameter block is written by tests/support/floppy.py. */

        .code16
        .text

        SEGMENT = 0x1FE0
        KERNEL_SEGMENT = 0x60
        FAT = 0x200
        TRIES = 3

boot_sector:
        jmp     entry
        nop

        .org    0x0D
sectors_per_cluster:
        .byte   0
reserved:
        .word   0
fats:   .byte   0
root_entries:
        .word   0
        .org    0x16
sectors_per_fat:
        .word   0
sectors_per_track:
        .word   0
heads:  .word   0
hidden: .long   0
        .org    0x24
drive:  .byte   0

        .org    0x3E
entry:  cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $0x7C00, %si
        movw    $SEGMENT, %ax
        movw    %ax, %es
        movw    %si, %di
        movw    $256, %cx
        rep movsw
        pushw   %ax                             /* wherever the BIOS has left the stack */
        pushw   $relocated
        lretw
relocated:
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7C00, %sp
        sti
        movb    %dl, drive
        movw    $loading, %si
        call    print

        movb    fats, %al                       /* the root directory lies behind the FATs */
        cbtw
        mulw    sectors_per_fat
        addw    hidden, %ax
        addw    reserved, %ax
        movw    root_entries, %cx
        addw    $15, %cx
        shrw    $4, %cx                         /* 16 entries a sector */
        movw    %ax, %bx
        addw    %cx, %bx
        movw    %bx, first_data
        movw    $KERNEL_SEGMENT, %bx
        call    read

        movw    $KERNEL_SEGMENT, %bx
        movw    %bx, %es
        xorw    %di, %di
        movw    root_entries, %bx
find:   movw    $name, %si
        movw    $11, %cx
        pushw   %di
        repe cmpsb
        popw    %di
        je      found
        addw    $32, %di
        decw    %bx
        jnz     find
        movw    $no_kernel, %si
        jmp     fail
found:  pushw   %es:26(%di)                     /* its first cluster */

        movw    reserved, %ax
        addw    hidden, %ax
        movw    sectors_per_fat, %cx
        movw    $SEGMENT + FAT/16, %bx
        call    read

        popw    %ax
        movw    $KERNEL_SEGMENT, %bx
load:   pushw   %ax
        decw    %ax
        decw    %ax
        movb    sectors_per_cluster, %cl
        xorb    %ch, %ch
        mulw    %cx
        addw    first_data, %ax
        call    read
        popw    %ax
        movw    %ax, %si                        /* 12 bits a cluster: entry n begins at byte n*3/2 */
        shrw    $1, %si
        pushfw                                  /* CF: n is odd */
        addw    %ax, %si
        movw    FAT(%si), %ax
        popfw
        jnc     even
        shrw    $4, %ax
even:   andb    $0x0F, %ah
        cmpw    $0xFF8, %ax
        jb      load

        movb    drive, %bl
        movb    %bl, %dl
        ljmp    $KERNEL_SEGMENT, $0

read:                                           /* CX sectors from AX on to BX:0000; BX is moved on */
        movb    $TRIES, %dl
        movb    %dl, tries
1:      pushw   %ax
        pushw   %bx
        pushw   %cx
        movw    %bx, %es
        xorw    %dx, %dx
        divw    sectors_per_track               /* track, and sector from 0 on */
        movb    %dl, %cl
        incw    %cx
        xorw    %dx, %dx
        divw    heads                           /* cylinder, and head */
        movb    %dl, %dh
        movb    drive, %dl
        movb    %al, %ch
        rorb    $2, %ah
        orb     %ah, %cl
        xorw    %bx, %bx
        movw    $0x0201, %ax
        int     $0x13
        popw    %cx
        popw    %bx
        popw    %ax
        jc      2f
        incw    %ax
        addw    $512/16, %bx
        loop    read
        ret
2:      pushw   %ax
        xorb    %ah, %ah
        movb    drive, %dl
        int     $0x13
        popw    %ax
        decb    tries
        jnz     1b
        movw    $unreadable, %si
fail:   call    print
        xorw    %ax, %ax
        int     $0x16
        int     $0x19

print:  lodsb                                   /* a string that ends with 0 */
        testb   %al, %al
        jz      1f
        movb    $0x0E, %ah
        movw    $7, %bx
        int     $0x10
        jmp     print
1:      ret

loading:
        .asciz  "Loading\r\n"
no_kernel:
        .asciz  "No KERNEL.SYS\r\n"
unreadable:
        .asciz  "Disk error\r\n"
name:   .ascii  "KERNEL  SYS"
        .org    0x1F0                           /* what changes, behind what does not */
first_data:
        .word   0
tries:  .byte   0

        .org    510
        .word   0xAA55
