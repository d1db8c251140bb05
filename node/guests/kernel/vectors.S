/* One stub a vector: make all frames alike (error code, vector), save the registers, call interrupt_dispatch(frame). */


        .altmacro
        .macro  stub vector
        .align  16
        .if     !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17)
        pushl   $0              /* the processor pushed no error code */
        .endif
        pushl   $\vector
        jmp     save
        .endm

        .text
        .align  16
        .globl  vector_stubs    /* 48 stubs, 16 bytes apart */
vector_stubs:
        .set    vector, 0
        .rept   48
        stub    %vector
        .set    vector, vector + 1
        .endr

        .align  16
save:   pushal
        cld
        pushl   %esp
        call    interrupt_dispatch
        addl    $4, %esp
        popal
        addl    $8, %esp        /* vector, error code */
        iretl

        .section .note.GNU-stack, "", @progbits
