/* INT 13h of the BIOS: a 1.44 MB floppy drive whose disk lies in the ROM.
 *
 * It is as particular as a real one: sector numbers within a track, transfers that do not cross 64 KiB (the DMA controller's
 * pages), nothing beyond the end of the shortened disk. And it is not always ready: every eighth read fails until the drive
 * is reset, so that software which does not try again does not get far. */

#include "bios.h"

        .globl  disk

        DISK_SEGMENT = 0xE000
        DISK_SECTORS = (BIOS_START + 0x10000) / 512
        SECTORS_PER_TRACK = 18
        LAST_CYLINDER = 79
        LAST_HEAD = 1
        NOT_READY_MASK = 7

        INVALID = 0x01
        NOT_FOUND = 0x04
        DMA_BOUNDARY = 0x09
        NOT_READY = 0x80

disk:   pushw   %bp
        movw    %sp, %bp
        sti
        pushw   %ds
        pushw   $BDA
        popw    %ds
        testb   %dl, %dl
        jnz     invalid
        cmpb    $0x00, %ah
        je      reset_drive
        cmpb    $0x01, %ah
        je      status
        cmpb    $0x02, %ah
        je      read
        cmpb    $0x08, %ah
        je      geometry
        cmpb    $0x15, %ah
        je      type
invalid:
        movb    $INVALID, %ah
done:   movb    %ah, BDA_FLOPPY_STATUS
        clear_caller_flag CARRY
        testb   %ah, %ah
        jz      1f
        caller_flag orb, CARRY
1:      popw    %ds
        popw    %bp
        iretw

reset_drive:
        andb    $0xFF & ~NOT_READY_MASK, BDA_FLOPPY_READS
        xorb    %ah, %ah
        jmp     done

status: movb    BDA_FLOPPY_STATUS, %ah
        jmp     done

type:   clear_caller_flag CARRY
        movb    $0x01, %ah                      /* a floppy without a change line */
        popw    %ds
        popw    %bp
        iretw

geometry:
        movw    $LAST_CYLINDER << 8 | SECTORS_PER_TRACK, %cx
        movw    $LAST_HEAD << 8 | 1, %dx        /* one drive */
        movb    $4, %bl                         /* 1.44 MB */
        pushw   %cs
        popw    %es
        movw    $parameters, %di
        xorw    %ax, %ax
        jmp     done

read:   incb    BDA_FLOPPY_READS
        testb   $NOT_READY_MASK, BDA_FLOPPY_READS
        jnz     1f
        decb    BDA_FLOPPY_READS                /* and so it goes on, until it is reset */
        movw    $NOT_READY << 8, %ax
        jmp     done
1:      pushal
        call    find_sectors
        jc      2f
        call    copy_sectors
        xorb    %ah, %ah
2:      movb    %ah, BDA_FLOPPY_STATUS
        popal
        movb    BDA_FLOPPY_STATUS, %ah
        testb   %ah, %ah
        jz      done
        xorb    %al, %al                        /* nothing was read */
        jmp     done

find_sectors:                                   /* AL at CH, CL, DH: AX from sector SI of the disk on; or CF and AH why not */
        movb    %cl, %dl
        andb    $0x3F, %dl
        decb    %dl
        cmpb    $SECTORS_PER_TRACK, %dl
        jae     not_found
        cmpb    $LAST_HEAD, %dh
        ja      not_found
        testb   $0xC0, %cl
        jnz     not_found
        xorb    %ah, %ah
        movw    %ax, %di
        movw    %dx, %bp
        movb    %ch, %al                        /* (cylinder * heads + head) * sectors + sector */
        shlw    $1, %ax
        addb    %dh, %al
        movw    $SECTORS_PER_TRACK, %cx
        mulw    %cx
        movw    %bp, %dx
        xorb    %dh, %dh
        addw    %dx, %ax
        movw    %ax, %si
        addw    %di, %ax
        cmpw    $DISK_SECTORS, %ax
        ja      not_found
        movw    %es, %ax                        /* where in its 64 KiB does the buffer begin, and end? */
        shlw    $4, %ax
        addw    %bx, %ax
        movw    %di, %cx
        cmpw    $127, %di
        ja      2f
        shlw    $9, %cx
        jz      not_found
        decw    %cx
        addw    %cx, %ax
        jc      2f
        movw    %di, %ax
        ret
2:      movb    $DMA_BOUNDARY, %ah
        stc
        ret
not_found:
        movb    $NOT_FOUND, %ah
        stc
        ret

copy_sectors:                                   /* AX from sector SI on to ES:BX */
        pushw   %ds
        movw    %ax, %cx
        shlw    $8, %cx                         /* words */
        shlw    $5, %si
        addw    $DISK_SEGMENT, %si
        movw    %si, %ds
        xorw    %si, %si
        movw    %bx, %di
        cld
        rep movsw
        popw    %ds
        ret

parameters:                                     /* the disk parameter table that INT 1Eh points to */
        .byte   0xDF, 0x02, 0x25, 0x02, SECTORS_PER_TRACK, 0x1B, 0xFF, 0x6C, 0xF6, 0x0F, 0x08
