/* The 16550 at COM1, 115200 8N1: polled out, interrupt-driven in.
 *
 * Output polls so that a fault handler can print at any time. Input arrives by IRQ 4 into a ring, so that a workload
 * may sleep in HLT until somebody types. A full ring leaves bytes in the chip, whose interrupt line then stays up: the
 * edge-triggered 8259 will not tell again, so the reader looks there too. */
#include "serial.h"

#include "interrupts.h"
#include "ports.h"

enum {
    COM1 = 0x3F8,
    DATA = COM1,
    INTERRUPT_ENABLE = COM1 + 1,
    FIFO_CONTROL = COM1 + 2,
    LINE_CONTROL = COM1 + 3,
    MODEM_CONTROL = COM1 + 4,
    LINE_STATUS = COM1 + 5,
};

enum { RECEIVED = 0x01, TRANSMITTER_EMPTY = 0x20 };
enum { IRQ = 4, RING = 256 };

static volatile u8 ring[RING];
static volatile u32 head, tail; /* head: next to fill, tail: next to read; both count up for ever */

static void receive(void)
{
    while (head - tail < RING && (in8(LINE_STATUS) & RECEIVED)) {
        ring[head % RING] = in8(DATA);
        head++;
    }
}

void serial_start(void)
{
    out8(INTERRUPT_ENABLE, 0);
    out8(LINE_CONTROL, 0x80); /* divisor latch */
    out8(DATA, 1);            /* 115200 baud */
    out8(INTERRUPT_ENABLE, 0);
    out8(LINE_CONTROL, 0x03);  /* 8 bits, no parity, one stop bit */
    out8(FIFO_CONTROL, 0x07);  /* FIFOs on and empty, interrupt at the first byte */
    out8(MODEM_CONTROL, 0x0B); /* DTR, RTS, and OUT2, which lets the interrupt through */
    interrupt_route(IRQ, receive);
    out8(INTERRUPT_ENABLE, 0x01);
}

void serial_write(char byte)
{
    while (!(in8(LINE_STATUS) & TRANSMITTER_EMPTY))
        ;
    out8(DATA, (u8)byte);
}

int serial_read(void)
{
    if (head == tail)
        receive();
    if (head == tail)
        return -1;
    u8 byte = ring[tail % RING];
    tail++;
    return byte;
}
