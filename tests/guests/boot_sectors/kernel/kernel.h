/* What the files of the kernel share: one segment for code, data and stack, and the words of a check.
 *
 * A check is a near routine, entered with all segment registers at the kernel's segment, DF clear, interrupts on. It may leave
 * every register as it likes. `expect` numbers its steps; the first that does not hold ends it. */

        .code16
        .text

        KERNEL_SEGMENT = 0x60
        KERNEL_BASE = 0x600
        step = 0x69F0                           /* a byte, behind the stack: not among code, where stores are slow */

        .macro  expect number, condition        /* jump-condition that holds when the step does */
        movb    $\number, %cs:step
        \condition 77f
        jmp     check_failed
77:
        .endm

        .macro  dos function
        movb    $\function, %ah
        int     $0x21
        .endm

        .macro  hook vector, handler            /* until `unhook`, or the end of the check; one at a time */
        movw    $\handler, %dx
        movb    $\vector, %al
        call    hook_vector
        .endm
