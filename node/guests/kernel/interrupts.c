/* The IDT (48 gates: 32 exceptions, 16 lines of the two 8259s) and its dispatch.
 *
 * An exception is a defect, of this kernel or of the machine under it: it is told on the console and ends the guest. */
#include "interrupts.h"

#include "finish.h"
#include "ports.h"
#include "print.h"
#include "segments.h"

enum { FIRST_IRQ_VECTOR = 32, LINES = 16, VECTORS = FIRST_IRQ_VECTOR + LINES, STUB_BYTES = 16 };
enum { PAGE_FAULT = 14 };
enum { MASTER = 0x20, SLAVE = 0xA0, CASCADE = 2, END_OF_INTERRUPT = 0x20, READ_IN_SERVICE = 0x0B };

struct frame {
    u32 edi, esi, ebp, esp, ebx, edx, ecx, eax; /* PUSHAL */
    u32 vector, error;
    u32 eip, cs, eflags;
};

struct gate {
    u16 offset_low, selector;
    u16 attributes, offset_high;
};

extern const u8 vector_stubs[];
void interrupt_dispatch(struct frame *frame);

static struct gate gates[VECTORS];
static void (*routes[LINES])(void);
static u16 masked = 0xFFFF & ~(1 << CASCADE);

static void mask_lines(void)
{
    out8(MASTER + 1, (u8)masked);
    out8(SLAVE + 1, (u8)(masked >> 8));
}

/* Edge-triggered, cascaded on line 2, vectors behind the exceptions. */
static void start_controllers(void)
{
    out8(MASTER, 0x11);
    out8(SLAVE, 0x11);
    out8(MASTER + 1, FIRST_IRQ_VECTOR);
    out8(SLAVE + 1, FIRST_IRQ_VECTOR + 8);
    out8(MASTER + 1, 1 << CASCADE);
    out8(SLAVE + 1, CASCADE);
    out8(MASTER + 1, 0x01);
    out8(SLAVE + 1, 0x01);
    mask_lines();
}

void interrupts_start(void)
{
    for (u32 vector = 0; vector < VECTORS; vector++) {
        u32 address = (u32)vector_stubs + vector * STUB_BYTES;
        gates[vector] = (struct gate){(u16)address, CODE_SELECTOR, 0x8E00, (u16)(address >> 16)};
    }
    const struct {
        u16 limit;
        const struct gate *base;
    } __attribute__((packed)) pointer = {sizeof gates - 1, gates};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    start_controllers();
}

void interrupt_route(u32 irq, void (*handle)(void))
{
    routes[irq] = handle;
    masked &= (u16) ~(1u << irq);
    mask_lines();
}

/* Lines 7 and 15 fire without a request when one vanished too late; the in-service register knows. */
static int is_spurious(u32 irq, u16 controller)
{
    if (irq % 8 != 7)
        return 0;
    out8(controller, READ_IN_SERVICE);
    return !(in8(controller) & 0x80);
}

static void dispatch_line(u32 irq)
{
    int spurious = is_spurious(irq, irq < 8 ? MASTER : SLAVE);
    if (!spurious && irq >= 8)
        out8(SLAVE, END_OF_INTERRUPT);
    if (!spurious || irq >= 8)
        out8(MASTER, END_OF_INTERRUPT);
    if (!spurious && routes[irq])
        routes[irq]();
}

static void report_fault(const struct frame *frame)
{
    static const char *const names[32] = {
        "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode", "no FPU",
        "double fault", "FPU overrun", "invalid TSS", "segment not present", "stack fault", "general protection",
        "page fault", "reserved", "FPU error", "alignment check", "machine check", "SIMD error",
    };
    const char *name = names[frame->vector] ? names[frame->vector] : "reserved";
    print("FAULT vector=%u (%s) error=%x eip=%x eflags=%x\n", frame->vector, name, frame->error, frame->eip,
          frame->eflags);
    if (frame->vector == PAGE_FAULT) {
        u32 address;
        __asm__("movl %%cr2, %0" : "=r"(address));
        print("  at address %x\n", address);
    }
    print("  eax=%x ebx=%x ecx=%x edx=%x\n", frame->eax, frame->ebx, frame->ecx, frame->edx);
    print("  esi=%x edi=%x ebp=%x esp=%x\n", frame->esi, frame->edi, frame->ebp, frame->esp);
}

void interrupt_dispatch(struct frame *frame)
{
    if (frame->vector >= FIRST_IRQ_VECTOR) {
        dispatch_line(frame->vector - FIRST_IRQ_VECTOR);
        return;
    }
    report_fault(frame);
    finish(FAILED);
}
