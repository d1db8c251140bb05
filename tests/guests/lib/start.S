/* Multiboot header, stack, one stub a vector (0..63), and the way into less privileged code and back. */

#define MAGIC 0x1BADB002

        .section .multiboot, "a"
        .align  4
        .long   MAGIC, 0, -MAGIC

        .text
        .globl  start
start:  movl    $stack_top, %esp
        pushl   $0
        popfl
        call    library_main
1:      cli
        hlt
        jmp     1b

        .altmacro
        .macro  stub vector
        .align  16
        .if     !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17)
        pushl   $0
        .endif
        pushl   $\vector
        jmp     save
        .endm

        .align  16
        .globl  stubs
stubs:
        .set    vector, 0
        .rept   64
        stub    %vector
        .set    vector, vector + 1
        .endr

        .align  16
save:   pushl   %gs             /* before any segment register is touched: a test may look at them */
        pushl   %fs
        pushl   %es
        pushl   %ds
        pushal
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
        pushl   %esp
        call    library_dispatch
        addl    $4, %esp
        popal
        popl    %ds
        popl    %es
        popl    %fs
        popl    %gs
        addl    $8, %esp
        iretl

/* void enter(const u32 *frame, u32 words): IRET through a copy of `frame`; returns when leave() is called. */
        .globl  enter
enter:  movl    4(%esp), %eax
        movl    8(%esp), %ecx
        pushal
        movl    %esp, entered_from
1:      decl    %ecx
        js      2f
        pushl   (%eax,%ecx,4)
        jmp     1b
2:      iretl

        .globl  leave
leave:  movl    entered_from, %esp
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        popal
        ret

        .bss
        .align  16
entered_from:
        .skip   16
        .skip   16384
stack_top:
        .skip   16384
        .globl  inner_stack_top
inner_stack_top:

        .section .note.GNU-stack, "", @progbits
