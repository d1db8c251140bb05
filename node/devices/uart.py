"""COM1: a 16550A at 0x3F8-0x3FF on IRQ4 (National PC16550D data sheet), its transmitter wired to `serial_out`.

    offset  DLAB=0 read / write   DLAB=1         offset  read / write
    0       RBR / THR             divisor low    4       MCR
    1       IER                   divisor high   5       LSR / -
    2       IIR / FCR             the same       6       MSR / -
    3       LCR                   the same       7       scratch

*Transmitting takes no time*: a byte is out when it is written, and THR is empty again (which is a new THRE interrupt).
*Receiving* is paced and loses nothing (`receiver.py`): the far end sends while the guest listens. A guest listens while
RTS is on; one that has never raised RTS, while the received-data interrupt is enabled. (A driver clears the FIFO when
it opens the port: what was typed before must not be in it.) Words are always eight bits; the format sets the pace.
*The interrupt* reaches IRQ4 only with OUT2 on and outside loopback, as PCs wire it.

What drivers do most is to poll and to transmit. `standing_answers` tells what reads give that change nothing, and
`takes_bytes_later` whether THR may be written without the UART being asked: both hold until it is accessed or ticks.
"""

from collections.abc import Callable, Iterator

from node.devices.ports import Line, PortMap
from node.devices.receiver import FIFO, Receiver
from node.devices.record import U8, U16, Record, allocate

BASE = 0x3F8
CLOCK = 1_843_200
SECOND = 1_000_000_000
IER_RECEIVED, IER_THRE, IER_LINE, IER_MODEM = 1, 2, 4, 8
IIR_NONE, IIR_LINE, IIR_RECEIVED, IIR_TIMEOUT, IIR_THRE, IIR_MODEM = 0x01, 0x06, 0x04, 0x0C, 0x02, 0x00
IIR_FIFO = 0xC0
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
    flow_control: U8  # RTS has been on: from then on it alone lets the far end send
    thre: U8  # the transmitter-empty interrupt is pending


class Uart:
    def __init__(self, irq4: Line, transmit: Callable[[bytes], None]) -> None:
        self.record: Record
        self.record, self.state = allocate(UartRecord)
        self.receiver = Receiver()
        self._irq4 = irq4
        self._transmit = transmit
        self._repeatable = False  # the last access was a write of THR that asked for the interrupt while that waited
        self.state.divisor = 1  # undefined at reset; firmware would have set a rate
        self.state.msr = CONNECTED
        self._configure(0)

    def tick(self, now: int) -> None:
        """Take in what has arrived by `now`."""
        if now >= self.receiver.state.due:
            self.receiver.advance(now)
            self._update()

    def claim(self, ports: PortMap, base: int = BASE) -> None:
        ports.claim(base, self.read_data, self.write_data)
        ports.claim(base + 1, self.read_ier, self.write_ier)
        ports.claim(base + 2, self.read_iir, self.write_fcr)
        ports.claim(base + 3, lambda now: self.state.lcr, self.write_lcr)
        ports.claim(base + 4, lambda now: self.state.mcr, self.write_mcr)
        ports.claim(base + 5, self.read_lsr, None)
        ports.claim(base + 6, self.read_msr, None)
        ports.claim(base + 7, lambda now: self.state.scr, self.write_scr)

    def records(self) -> dict[str, Record]:
        return {"uart": self.record, "uart_receiver": self.receiver.record}

    # ---- registers

    def read_data(self, now: int) -> int:
        s = self.state
        if s.lcr & LCR_DLAB:
            return s.divisor & 0xFF
        self.tick(now)
        byte = self.receiver.take(now)
        self._update()
        return byte

    def write_data(self, value: int, now: int) -> None:
        s = self.state
        if s.lcr & LCR_DLAB:
            self._set_divisor(s.divisor & 0xFF00 | value, now)
            return
        self._repeatable = self._cause() == IIR_THRE
        s.thre = 0
        if s.ier & IER_THRE:
            self._update()  # the request falls with the write, and rises again below: an edge the PIC sees
        if s.mcr & MCR_LOOP:
            self.tick(now)
            self.receiver.loop_back(value, now)
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
        if value & ~s.ier & IER_THRE:
            s.thre = 1  # enabling it while THR is empty, which it always is, requests at once
        self.tick(now)
        s.ier = value & 0x0F
        self._configure(now)

    def read_iir(self, now: int) -> int:
        s = self.state
        self.tick(now)
        cause = self._cause()
        if cause == IIR_THRE:
            s.thre = 0
            self._update()
        return cause | IIR_FIFO if s.fcr & FCR_ENABLE else cause

    def write_fcr(self, value: int, now: int) -> None:
        s = self.state
        self.tick(now)
        s.fcr = value & 0xC1 if value & FCR_ENABLE else 0
        if s.fcr and value & FCR_CLEAR_RECEIVER:
            self.receiver.clear()
        self._configure(now)

    def write_lcr(self, value: int, now: int) -> None:
        self.tick(now)
        self.state.lcr = value
        self._configure(now)

    def write_mcr(self, value: int, now: int) -> None:
        s = self.state
        self.tick(now)
        s.mcr = value & 0x1F
        if value & (MCR_RTS | MCR_LOOP) == MCR_RTS:
            s.flow_control = 1
        self._set_modem_lines()
        self._configure(now)

    def read_lsr(self, now: int) -> int:
        received = self.receiver.state
        if now >= received.due:
            self.tick(now)
        status = self._line_status()
        if received.overrun:
            status |= LSR_OVERRUN
            received.overrun = 0
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

    # ---- without being asked

    def standing_answers(self) -> Iterator[tuple[int, int | None]]:
        """(port, what its next read gives), None where a read changes something."""
        s, cause = self.state, self._cause()
        yield BASE + 1, self.read_ier(0)
        yield BASE + 2, None if cause == IIR_THRE else cause | (IIR_FIFO if s.fcr & FCR_ENABLE else 0)
        yield BASE + 5, None if self.receiver.state.overrun else self._line_status()
        yield BASE + 6, None if s.msr & 0x0F else s.msr

    def takes_bytes_later(self) -> bool:
        """A byte written to THR now would go out and change nothing else. Where it makes the interrupt's line fall and
        rise, that is so behind a write that did just the same, if nobody can have seen a difference since; so this is
        true once."""
        s = self.state
        repeatable, self._repeatable = self._repeatable, False
        if not s.thre or s.lcr & LCR_DLAB or s.mcr & MCR_LOOP:
            return False
        return repeatable or not s.ier & IER_THRE

    def take_bytes(self, data: bytes) -> None:
        """What has been written to THR meanwhile."""
        self._transmit(data)

    def forget_access(self) -> None:
        """The record was overwritten."""
        self._repeatable = False

    # ---- inside

    def _line_status(self) -> int:
        return LSR_EMPTY | (LSR_READY if self.receiver.state.count else 0)

    def _cause(self) -> int:
        """The interrupt of highest priority that is enabled and pending."""
        s, received = self.state, self.receiver.state
        ier = s.ier
        if ier & IER_LINE and received.overrun:
            return IIR_LINE
        if ier & IER_RECEIVED and received.count:
            if received.count >= (TRIGGERS[s.fcr >> 6] if s.fcr & FCR_ENABLE else 1):
                return IIR_RECEIVED
            if received.timed_out:
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
        self._configure(now)

    def _configure(self, now: int) -> None:
        """Registers changed: tell the receiver, and the interrupt line."""
        s = self.state
        self._repeatable = False
        listening = s.mcr & MCR_RTS if s.flow_control else s.ier & IER_RECEIVED
        self.receiver.configure(
            character_ns=self._character_ns(),
            depth=FIFO if s.fcr & FCR_ENABLE else 1,
            ready=bool(listening and not s.mcr & MCR_LOOP),
            now=now,
        )
        self._update()

    def _character_ns(self) -> int:
        """Start bit, data bits, parity and stop bits at the programmed rate, rounded up to a nanosecond."""
        lcr = self.state.lcr
        data = 5 + (lcr & 3)
        stop_halves = 2 if not lcr & 4 else 3 if data == 5 else 4
        half_bits = 2 * (1 + data) + (2 if lcr & 8 else 0) + stop_halves
        return -(-half_bits * 8 * self.state.divisor * SECOND // CLOCK)

    def _set_modem_lines(self) -> None:
        """In loopback MSR shows MCR's outputs (RTS, DTR, OUT1, OUT2); else the far end's lines."""
        s = self.state
        lines = CONNECTED
        if s.mcr & MCR_LOOP:
            lines = (s.mcr & 2) << 3 | (s.mcr & 1) << 5 | (s.mcr & 0x0C) << 4
        changed = (s.msr ^ lines) >> 4
        ring_ended = changed & ~(lines >> 4) & 4  # RI tells its falling edge only
        s.msr = lines | s.msr & 0x0F | changed & 0x0B | ring_ended
