/* WAITER.COM: halts until the time of day (INT 1Ah) has moved on by three ticks, and ends by RET. */

        .code16
        .text

        TICKS = 3
        MOST_HALTS = 1000

        xorb    %ah, %ah
        int     $0x1A
        movw    %dx, %si
        movw    $MOST_HALTS, %di
1:      hlt
        xorb    %ah, %ah
        int     $0x1A
        subw    %si, %dx
        cmpw    $TICKS, %dx
        jae     2f
        decw    %di
        jnz     1b
2:      ret
