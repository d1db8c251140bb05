/* The Multiboot header and the first instructions: a stack, then C.
 *
 * Multiboot hands over flat 32-bit protected mode with interrupts off; EAX holds the magic, EBX the information. */

#define MAGIC 0x1BADB002
#define FLAGS 0x00000003        /* modules page-aligned, memory information wanted */

        .section .multiboot, "a"
        .align  4
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .globl  start
start:
        movl    $stack_top, %esp
        xorl    %ebp, %ebp
        pushl   $0
        popfl                   /* a known EFLAGS: direction up, nothing nested */
        pushl   %ebx
        pushl   %eax
        call    kernel_main
1:      cli
        hlt
        jmp     1b

        .bss
        .align  16
        .skip   16384
stack_top:

        .section .note.GNU-stack, "", @progbits
