/* The BIOS services that answer out of the data area: INT 10h (teletype: COM1), 11h, 12h, 15h, 16h, 1Ah. */

#include "bios.h"

        .globl  video, equipment, memory_size, system, keys, time_of_day

/* INT 10h: AH=02h cursor, 03h where it is, 0Eh teletype, 0Fh mode. Page 0 alone. */
video:  pushw   %bp
        movw    %sp, %bp
        pushw   %ds
        pushw   $BDA
        popw    %ds
        cmpb    $0x0E, %ah
        je      teletype
        cmpb    $0x02, %ah
        je      set_cursor
        cmpb    $0x03, %ah
        je      get_cursor
        cmpb    $0x0F, %ah
        jne     video_done
        movb    BDA_VIDEO_MODE, %al
        movb    BDA_COLUMNS, %ah
        xorb    %bh, %bh
        jmp     video_done
set_cursor:
        movw    %dx, BDA_CURSOR
        jmp     video_done
get_cursor:
        movw    BDA_CURSOR, %dx
        movw    BDA_CURSOR_SHAPE, %cx
        jmp     video_done
teletype:
        pushw   %ax
        pushw   %dx
        movw    $COM1 + 5, %dx
        movb    %al, %ah
1:      inb     %dx, %al
        testb   $0x20, %al                      /* transmitter holding register empty */
        jz      1b
        movw    $COM1, %dx
        movb    %ah, %al
        outb    %al, %dx
        call    move_cursor
        popw    %dx
        popw    %ax
video_done:
        popw    %ds
        popw    %bp
        iretw

move_cursor:                                    /* behind the character AL; at the bottom the screen would scroll */
        movw    BDA_CURSOR, %dx
        cmpb    $'\r', %al
        je      2f
        cmpb    $'\n', %al
        je      1f
        incw    %dx
        cmpb    BDA_COLUMNS, %dl
        jb      3f
        xorb    %dl, %dl
1:      cmpb    BDA_LAST_ROW, %dh
        jae     3f
        incb    %dh
        jmp     3f
2:      xorb    %dl, %dl
3:      movw    %dx, BDA_CURSOR
        ret

equipment:
        pushw   %ds
        pushw   $BDA
        popw    %ds
        movw    BDA_EQUIPMENT, %ax
        popw    %ds
        iretw

memory_size:
        pushw   %ds
        pushw   $BDA
        popw    %ds
        movw    BDA_MEMORY_KIB, %ax
        popw    %ds
        iretw

/* INT 15h: AH=88h, KiB above 1 MiB out of the clock's memory */
system: pushw   %bp
        movw    %sp, %bp
        cmpb    $0x88, %ah
        jne     1f
        movb    $0x31, %al
        outb    %al, $0x70
        inb     $0x71, %al
        movb    %al, %ah
        movb    $0x30, %al
        outb    %al, $0x70
        inb     $0x71, %al
        clear_caller_flag CARRY
        jmp     2f
1:      movb    $0x86, %ah
        caller_flag orb, CARRY
2:      popw    %bp
        iretw

/* INT 16h: AH=00h wait for a key, 01h is there one (ZF: no), 02h shift keys, 05h put one */
keys:   pushw   %bp
        movw    %sp, %bp
        pushw   %ds
        pushw   %bx
        pushw   $BDA
        popw    %ds
        movw    BDA_KEYS_HEAD, %bx
        cmpb    $0x00, %ah
        je      wait_for_key
        cmpb    $0x01, %ah
        je      look_for_key
        cmpb    $0x02, %ah
        je      shift_keys
        cmpb    $0x05, %ah
        je      put_key
keys_done:
        popw    %bx
        popw    %ds
        popw    %bp
        iretw
wait_for_key:
        sti
        cmpw    BDA_KEYS_TAIL, %bx
        jne     1f
        hlt
        jmp     wait_for_key
1:      movw    (%bx), %ax
        call    next_key
        movw    %bx, BDA_KEYS_HEAD
        jmp     keys_done
look_for_key:
        clear_caller_flag ZERO
        cmpw    BDA_KEYS_TAIL, %bx
        jne     1f
        caller_flag orb, ZERO
        jmp     keys_done
1:      movw    (%bx), %ax
        jmp     keys_done
shift_keys:
        movb    BDA_SHIFT, %al
        jmp     keys_done
put_key:
        movw    BDA_KEYS_TAIL, %bx
        pushw   %bx
        call    next_key
        movb    $1, %al                         /* full */
        cmpw    BDA_KEYS_HEAD, %bx
        je      1f
        xchgw   %bx, BDA_KEYS_TAIL
        movw    %cx, (%bx)
        xorb    %al, %al
1:      popw    %bx
        jmp     keys_done
next_key:                                       /* BX, one further round the buffer */
        addw    $2, %bx
        cmpw    BDA_KEYS_LAST, %bx
        jb      1f
        movw    BDA_KEYS_FIRST, %bx
1:      ret

/* INT 1Ah: AH=00h, ticks since midnight in CX:DX, and in AL whether it was passed */
time_of_day:
        pushw   %ds
        testb   %ah, %ah
        jnz     1f
        pushw   $BDA
        popw    %ds
        movw    BDA_TICKS, %dx
        movw    BDA_TICKS + 2, %cx
        xorb    %al, %al
        xchgb   %al, BDA_MIDNIGHT
1:      popw    %ds
        iretw
