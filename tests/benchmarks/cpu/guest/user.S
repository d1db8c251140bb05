/* What runs in ring 3, copied to a page there and therefore position-independent; and the ways in and out of it. */
#include "user.h"

#define KERNEL_DATA 0x10

        .text
        .globl  user_code, user_code_end, user_calls, user_touches, user_switches
user_code:

/* Calls the services 1, 2, 3 by turns; what each returns goes on into the next. */
user_calls:
        movl    $SERVICE_ADD, %eax
        int     $SYSTEM_CALL
        movl    %eax, %ebx
        movl    $SERVICE_XOR, %eax
        int     $SYSTEM_CALL
        movl    %eax, %ebx
        movl    $SERVICE_ROTATE, %eax
        int     $SYSTEM_CALL
        movl    %eax, %ebx
        decl    %ecx
        jnz     user_calls
        jmp     leave_ring_3

/* Reads, then writes, one word of each of ECX pages at EDI. */
user_touches:
        addl    (%edi), %ebx
        roll    $3, %ebx
        movl    %ebx, (%edi)
        addl    $4096, %edi
        decl    %ecx
        jnz     user_touches
        jmp     leave_ring_3

/* Changes the address space, then reads a word of each of 16 pages. */
user_switches:
        movl    $SERVICE_SWITCH, %eax
        int     $SYSTEM_CALL
        xorl    %edx, %edx
1:      addl    (%edi,%edx), %ebx
        roll    $1, %ebx
        addl    $4096, %edx
        cmpl    $16 * 4096, %edx
        jne     1b
        decl    %ecx
        jnz     user_switches

leave_ring_3:
        movl    $SERVICE_LEAVE, %eax
        int     $SYSTEM_CALL
        ud2
user_code_end:

/* u32 user_enter(u32 eip, u32 seed, u32 count, const u8 *data, u32 user_esp, u32 *kernel_esp) */
        .globl  user_enter
user_enter:
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        movl    20(%esp), %eax
        movl    24(%esp), %ebx
        movl    28(%esp), %ecx
        movl    32(%esp), %edi
        movl    36(%esp), %esi
        movl    40(%esp), %edx
        movl    %esp, (%edx)            /* where an interrupt of ring 3 begins its frame */
        movl    %esp, left_at
        pushl   $USER_DATA
        pushl   %esi
        pushl   $0x202                  /* EFLAGS: interrupts on */
        pushl   $USER_CODE
        pushl   %eax
        movl    $USER_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        iretl

/* EAX: the service; EBX: its argument. The answer in EAX; all else stays. */
        .globl  user_system_call
user_system_call:
        pushl   %ds
        pushl   %es
        pushl   %edx
        pushl   %ecx
        movl    $KERNEL_DATA, %edx
        movl    %edx, %ds
        movl    %edx, %es
        cld
        testl   %eax, %eax
        jz      1f
        pushl   %ebx
        call    *user_services(,%eax,4)
        addl    $4, %esp
        popl    %ecx
        popl    %edx
        popl    %es
        popl    %ds
        iretl
1:      movl    %ebx, %eax              /* SERVICE_LEAVE: return from user_enter */
        movl    left_at, %esp
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        sti
        ret

        .globl  user_page_fault
user_page_fault:
        pushal
        pushl   %ds
        pushl   %es
        movl    $KERNEL_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
        movl    %cr2, %eax
        pushl   %eax
        call    *user_fault_handler
        addl    $4, %esp
        popl    %es
        popl    %ds
        popal
        addl    $4, %esp                /* the error code */
        iretl

        .bss
        .align  4
left_at:
        .skip   4

        .section .note.GNU-stack, "", @progbits
