/* Files on the floppy: FATs and root directory in one read, clusters by their chain; and the check of INT 13h. */

#include "kernel.h"

        BUFFER_SEGMENT = 0x800                  /* both FATs; behind them the root directory */
        ROOT_SECTOR = 19
        ROOT_ENTRIES = 224
        DATA_SECTOR = 33
        SECTORS_PER_TRACK = 18
        DIRECTORY = (ROOT_SECTOR - 1) * 512
        FIRST_CLUSTER = 26                      /* in a directory entry */
        UNREADABLE = 99                         /* step of whatever check reads */

        .globl  load_file, disk

load_file:                                      /* SI: eleven characters; to ES:BX; CF: it is not there */
        pushw   %es
        pushw   %bx
        movw    $BUFFER_SEGMENT, %ax
        movw    %ax, %es
        xorw    %bx, %bx
        movw    $1, %ax
        movw    $DATA_SECTOR - 1, %cx
        call    read_sectors
        movw    $DIRECTORY, %di
        movw    $ROOT_ENTRIES, %dx
1:      pushw   %si
        pushw   %di
        movw    $11, %cx
        repe cmpsb
        popw    %di
        popw    %si
        je      2f
        addw    $32, %di
        decw    %dx
        jnz     1b
        popw    %bx
        popw    %es
        stc
        ret
2:      movw    %es:FIRST_CLUSTER(%di), %ax
        popw    %bx
        popw    %es
3:      pushw   %ax
        addw    $DATA_SECTOR - 2, %ax
        movw    $1, %cx
        call    read_sectors
        popw    %ax
        call    next_cluster
        cmpw    $0xFF8, %ax
        jb      3b
        clc
        ret

next_cluster:                                   /* AX, by the FAT */
        pushw   %es
        movw    $BUFFER_SEGMENT, %si
        movw    %si, %es
        movw    %ax, %si
        shrw    $1, %si
        addw    %ax, %si
        testb   $1, %al
        movw    %es:(%si), %ax
        jz      1f
        shrw    $4, %ax
1:      andw    $0xFFF, %ax
        popw    %es
        ret

read_sectors:                                   /* CX from AX on to ES:BX, which is moved on; a track at a time */
        movw    $3, tries
1:      pushw   %ax
        pushw   %cx
        xorw    %dx, %dx
        movw    $SECTORS_PER_TRACK, %di
        divw    %di
        subw    %dx, %di                        /* so many are left on this track */
        cmpw    %cx, %di
        jbe     2f
        movw    %cx, %di
2:      movb    %dl, %cl
        incb    %cl
        shrw    $1, %ax                         /* two heads */
        movb    %al, %ch
        movb    $0, %dh
        adcb    $0, %dh
        movb    boot_drive, %dl
        movw    %di, %ax
        movb    $0x02, %ah
        int     $0x13
        popw    %cx
        popw    %ax
        jc      3f
        addw    %di, %ax
        subw    %di, %cx
        shlw    $9, %di
        addw    %di, %bx
        testw   %cx, %cx
        jnz     read_sectors
        ret
3:      pushw   %ax
        xorb    %ah, %ah
        movb    boot_drive, %dl
        int     $0x13
        popw    %ax
        decw    tries
        jnz     1b
        movb    $UNREADABLE, step
        jmp     check_failed

disk:   movb    $0x08, %ah                      /* 80 cylinders, 2 heads, 18 sectors */
        movb    boot_drive, %dl
        xorw    %di, %di
        int     $0x13
        expect  1, jnc
        cmpw    $79 << 8 | SECTORS_PER_TRACK, %cx
        expect  2, je
        cmpb    $1, %dh
        expect  3, je
        cmpb    $4, %bl
        expect  4, je
        cmpb    $SECTORS_PER_TRACK, %es:4(%di)  /* in the disk parameter table */
        expect  5, je

        movw    $BUFFER_SEGMENT, %ax            /* a sector number beyond the track */
        movw    %ax, %es
        xorw    %bx, %bx
        movw    $0x0201, %ax
        movw    $SECTORS_PER_TRACK + 1, %cx
        movw    $0, %dx
        int     $0x13
        expect  6, jc
        testb   %ah, %ah
        expect  7, jnz
        xorw    %ax, %ax
        xorw    %dx, %dx
        int     $0x13
        expect  8, jnc

        xorw    %ax, %ax                        /* the boot sector, as it was loaded */
        xorw    %bx, %bx
        movw    $1, %cx
        call    read_sectors
        movw    $0x1FE0, %ax
        movw    %ax, %ds
        movw    $0x7C3E, %si
        movw    $0x3E, %di
        movw    $(0x1F0 - 0x3E)/2, %cx
        repe cmpsw
        expect  9, je
        ret

        .balign 2
tries:  .word   0
