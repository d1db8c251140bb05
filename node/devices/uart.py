"""COM1: a 16550A at 0x3F8-0x3FF on IRQ4 (National PC16550D data sheet), its transmitter wired to `serial_out`.

    offset  DLAB=0 read / write   DLAB=1         offset  read / write
    0       RBR / THR             divisor low    4       MCR
    1       IER                   divisor high   5       LSR / -
    2       IIR / FCR             the same       6       MSR / -
    3       LCR                   the same       7       scratch

*Transmitting takes no time*: a byte is out when it is written, and THR is empty again (which is a new THRE interrupt).
*Receiving takes a character time each*, as line speed and format are programmed (words are eight bits all the same).
Nothing is ever lost on the line: the far end has hardware flow control. It sends while the guest listens (RTS is on, or
the received-data interrupt is enabled) and the FIFO has room; what waits stays in the queue, which is part of the
record. `receive` takes what the queue has room for and says how much that was; the caller keeps the rest.
*The interrupt* reaches IRQ4 only with OUT2 on and outside loopback, as PCs wire it.
"""

from collections.abc import Callable
from typing import Annotated

from node.devices.ports import Line, PortMap
from node.devices.record import I64, NEVER, U8, U16, Cells, Record, allocate, cells

QUEUE = 16384
FIFO = 16
CLOCK = 1_843_200
IER_RECEIVED, IER_THRE, IER_LINE, IER_MODEM = 1, 2, 4, 8
IIR_NONE, IIR_LINE, IIR_RECEIVED, IIR_TIMEOUT, IIR_THRE, IIR_MODEM = 0x01, 0x06, 0x04, 0x0C, 0x02, 0x00
FCR_ENABLE, FCR_CLEAR_RECEIVER = 1, 2
LCR_DLAB = 0x80
LSR_READY, LSR_OVERRUN, LSR_EMPTY = 0x01, 0x02, 0x60
MCR_RTS, MCR_OUT2, MCR_LOOP = 0x02, 0x08, 0x10
TRIGGERS = (1, 4, 8, 14)
CONNECTED = 0xB0  # DCD, DSR and CTS: a far end that is always there


class UartRecord:
    ier: U8  # interrupt enable register
    fcr: U8  # FIFO control register: enable and trigger level
    lcr: U8  # line control register
    mcr: U8  # modem control register
    msr: U8  # modem status register: lines in bits 7-4, changes since the last read in bits 3-0
    scr: U8  # scratch register
    divisor: U16  # baud rate divisor latch
    thre: U8  # the transmitter-empty interrupt is pending
    overrun: U8  # LSR overrun error
    timed_out: U8  # four character times went by with received data unread
    fifo: Annotated[Cells, cells(U8, FIFO)]  # receiver FIFO, a ring
    fifo_first: U8  # its oldest byte
    fifo_count: U8  # bytes in it
    arrival: I64  # guest time at which the next character is complete, NEVER if none is on the line
    timeout: I64  # guest time of the character timeout, NEVER if none is running
    due: I64  # the earlier of both
    queue: Annotated[Cells, cells(U8, QUEUE)]  # what the far end has yet to send, a ring
    queue_first: U16  # its oldest byte
    queue_count: U16  # bytes in it


class Uart:
    def __init__(self, irq4: Line, transmit: Callable[[bytes], None]) -> None:
        self.record: Record
        self.record, self.state = allocate(UartRecord)
        self._irq4 = irq4
        self._transmit = transmit
        self._queue, self._fifo = self.state.queue, self.state.fifo
        s = self.state
        s.divisor = 1  # undefined at reset; firmware would have set a rate
        s.msr = CONNECTED
        s.arrival = s.timeout = s.due = NEVER

    def receive(self, data: bytes, now: int) -> int:
        """Queue what the far end sends; the number of bytes taken (fewer than all when the queue is full)."""
        s = self.state
        taken = data[: QUEUE - s.queue_count]
        end = s.queue_first + s.queue_count
        for index, byte in enumerate(taken, end):
            self._queue[index % QUEUE] = byte
        s.queue_count += len(taken)
        self._plan(now)
        return len(taken)

    def tick(self, now: int) -> None:
        """Complete the characters that have arrived by `now`, and the character timeout."""
        s = self.state
        if now < s.due:
            return
        while s.arrival <= now:
            arrived = s.arrival
            self._put(self._queue[s.queue_first])
            s.queue_first = (s.queue_first + 1) % QUEUE
            s.queue_count -= 1
            self._restart_timeout(arrived)
            s.arrival = NEVER
            self._plan(arrived)
        if s.timeout <= now:
            s.timeout = NEVER
            s.timed_out = 1
        s.due = min(s.arrival, s.timeout)
        self._update()

    def claim(self, ports: PortMap, base: int = 0x3F8) -> None:
        ports.claim(base, self.read_data, self.write_data)
        ports.claim(base + 1, self.read_ier, self.write_ier)
        ports.claim(base + 2, self.read_iir, self.write_fcr)
        ports.claim(base + 3, lambda now: self.state.lcr, self.write_lcr)
        ports.claim(base + 4, lambda now: self.state.mcr, self.write_mcr)
        ports.claim(base + 5, self.read_lsr, None)
        ports.claim(base + 6, self.read_msr, None)
        ports.claim(base + 7, lambda now: self.state.scr, self.write_scr)

    def records(self) -> dict[str, Record]:
        return {"uart": self.record}

    # ---- registers

    def read_data(self, now: int) -> int:
        s = self.state
        if s.lcr & LCR_DLAB:
            return s.divisor & 0xFF
        self.tick(now)
        if not s.fifo_count:
            return 0
        byte = self._fifo[s.fifo_first]
        s.fifo_first = (s.fifo_first + 1) % FIFO
        s.fifo_count -= 1
        self._restart_timeout(now)
        self._plan(now)
        self._update()
        return byte

    def write_data(self, value: int, now: int) -> None:
        s = self.state
        if s.lcr & LCR_DLAB:
            self._set_divisor(s.divisor & 0xFF00 | value, now)
            return
        s.thre = 0
        if s.ier & IER_THRE:
            self._update()  # the request falls with the write, and rises again below: an edge the PIC sees
        if s.mcr & MCR_LOOP:
            self.tick(now)
            self._loop_back(value, now)
        else:
            self._transmit(value.to_bytes(1, "little"))
        s.thre = 1
        if s.ier:
            self._update()

    def read_ier(self, now: int) -> int:
        s = self.state
        return s.divisor >> 8 if s.lcr & LCR_DLAB else s.ier

    def write_ier(self, value: int, now: int) -> None:
        s = self.state
        if s.lcr & LCR_DLAB:
            self._set_divisor(s.divisor & 0xFF | value << 8, now)
            return
        self.tick(now)
        if value & ~s.ier & IER_THRE:
            s.thre = 1  # enabling it while THR is empty, which it always is, requests at once
        s.ier = value & 0x0F
        self._plan(now)
        self._update()

    def read_iir(self, now: int) -> int:
        s = self.state
        self.tick(now)
        cause = self._cause()
        if cause == IIR_THRE:
            s.thre = 0
            self._update()
        return cause | 0xC0 if s.fcr & FCR_ENABLE else cause

    def write_fcr(self, value: int, now: int) -> None:
        s = self.state
        self.tick(now)
        if (value ^ s.fcr) & FCR_ENABLE or value & (FCR_ENABLE | FCR_CLEAR_RECEIVER) == FCR_ENABLE | FCR_CLEAR_RECEIVER:
            s.fifo_count = s.timed_out = 0
            s.timeout = NEVER
        s.fcr = value & 0xC1 if value & FCR_ENABLE else 0
        self._plan(now)
        self._update()

    def write_lcr(self, value: int, now: int) -> None:
        self.state.lcr = value

    def write_mcr(self, value: int, now: int) -> None:
        s = self.state
        self.tick(now)
        s.mcr = value & 0x1F
        self._set_modem_lines()
        self._plan(now)
        self._update()

    def read_lsr(self, now: int) -> int:
        s = self.state
        if now >= s.due:
            self.tick(now)
        status = LSR_EMPTY | (LSR_READY if s.fifo_count else 0)
        if s.overrun:
            status |= LSR_OVERRUN
            s.overrun = 0
            self._update()
        return status

    def read_msr(self, now: int) -> int:
        s = self.state
        value = s.msr
        if value & 0x0F:
            s.msr = value & 0xF0
            self._update()
        return value

    def write_scr(self, value: int, now: int) -> None:
        self.state.scr = value

    # ---- inside

    def _cause(self) -> int:
        """The interrupt of highest priority that is enabled and pending."""
        s = self.state
        ier = s.ier
        if ier & IER_LINE and s.overrun:
            return IIR_LINE
        if ier & IER_RECEIVED and s.fifo_count:
            if s.fifo_count >= (TRIGGERS[s.fcr >> 6] if s.fcr & FCR_ENABLE else 1):
                return IIR_RECEIVED
            if s.timed_out:
                return IIR_TIMEOUT
        if ier & IER_THRE and s.thre:
            return IIR_THRE
        if ier & IER_MODEM and s.msr & 0x0F:
            return IIR_MODEM
        return IIR_NONE

    def _update(self) -> None:
        gated = self.state.mcr & (MCR_OUT2 | MCR_LOOP) == MCR_OUT2
        self._irq4(gated and self._cause() != IIR_NONE)

    def _set_divisor(self, divisor: int, now: int) -> None:
        self.tick(now)
        self.state.divisor = divisor
        self._plan(now)

    def _plan(self, now: int) -> None:
        """Begin the next character if one waits, the guest listens and the FIFO has room; else stop the line."""
        s = self.state
        listening = (s.mcr & MCR_RTS or s.ier & IER_RECEIVED) and not s.mcr & MCR_LOOP and s.divisor
        if not listening or not s.queue_count or s.fifo_count >= (FIFO if s.fcr & FCR_ENABLE else 1):
            s.arrival = NEVER
        elif s.arrival == NEVER:
            s.arrival = now + self._character_ns()
        s.due = min(s.arrival, s.timeout)

    def _restart_timeout(self, now: int) -> None:
        """A character came or was read: the timeout runs anew while the FIFO holds any."""
        s = self.state
        s.timed_out = 0
        s.timeout = now + 4 * self._character_ns() if s.fifo_count and s.fcr & FCR_ENABLE else NEVER
        s.due = min(s.arrival, s.timeout)

    def _character_ns(self) -> int:
        """Start bit, data bits, parity and stop bits at the programmed rate, rounded up to a nanosecond."""
        lcr = self.state.lcr
        data = 5 + (lcr & 3)
        half_bits = 2 * (1 + data) + (2 if lcr & 8 else 0) + (2 if not lcr & 4 else 3 if data == 5 else 4)
        return -(-half_bits * 8 * (self.state.divisor or 0x10000) * 1_000_000_000 // CLOCK)

    def _put(self, byte: int) -> None:
        s = self.state
        self._fifo[(s.fifo_first + s.fifo_count) % FIFO] = byte
        s.fifo_count += 1

    def _loop_back(self, byte: int, now: int) -> None:
        """The transmitter feeds the receiver: here, and only here, an overrun can happen."""
        s = self.state
        if s.fifo_count >= (FIFO if s.fcr & FCR_ENABLE else 1):
            s.overrun = 1
            if not s.fcr & FCR_ENABLE:
                self._fifo[s.fifo_first] = byte
        else:
            self._put(byte)
        self._restart_timeout(now)

    def _set_modem_lines(self) -> None:
        """In loopback MSR shows MCR's outputs (RTS, DTR, OUT1, OUT2); else the far end's lines."""
        s = self.state
        lines = CONNECTED
        if s.mcr & MCR_LOOP:
            lines = (s.mcr & 2) << 3 | (s.mcr & 1) << 5 | (s.mcr & 0x0C) << 4
        changed = (s.msr ^ lines) >> 4
        trailing = changed & ~(lines >> 4) & 4  # RI tells its falling edge only
        s.msr = lines | s.msr & 0x0F | changed & 0x0B | trailing
