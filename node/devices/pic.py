"""The interrupt controllers: two 8259A, the slave on the master's input 2 (Intel 8259A data sheet; PIIX for ELCR).

    IRQ0-7  ->  master 0x20/0x21  ->  INTR of the CPU
    IRQ8-15 ->  slave  0xA0/0xA1  ->  master's IR2

A chip's request register (IRR) follows its input lines: an edge input is latched by a rising edge and forgotten when
the line falls before it was acknowledged; a level input is simply the line. After each change the chip compares the
best unmasked request with what is in service and drives INT, so `intr` is always current and cheap to read.
Knows no time: every change happens at once.
"""

from functools import partial

from node.devices.ports import Line, PortMap
from node.devices.record import U8, Record, allocate

ICW1, ICW1_LEVEL, ICW1_SINGLE, ICW1_ICW4 = 0x10, 0x08, 0x02, 0x01
ICW4_SPECIAL_NESTED, ICW4_AUTO_EOI = 0x10, 0x02
OCW3 = 0x08
CASCADE = 2
SPURIOUS = 7


class PicRecord:
    lines: U8  # input lines IR0-7 as driven now
    irr: U8  # interrupt request register
    isr: U8  # in-service register
    imr: U8  # interrupt mask register (OCW1)
    elcr: U8  # edge/level control (0x4d0/0x4d1): 1 = level
    base: U8  # vector of IR0 (ICW2, low three bits zero)
    icw1: U8  # ICW1 as last written
    icw3: U8  # ICW3 as last written: slaves attached, or own slave number
    icw4: U8  # ICW4 as last written, 0 where ICW1 said there is none
    expected: U8  # initialisation word expected next at A0=1: 2, 3, 4; 0 = initialised; 1 = never initialised
    lowest: U8  # input with the lowest priority (rotation); 7 = fixed order
    rotate_aeoi: U8  # rotate priorities at each automatic EOI
    special_mask: U8  # special mask mode
    read_isr: U8  # reads at A0=0 give ISR (1) or IRR (0)
    poll: U8  # the next read is a poll
    intr: U8  # the INT output


class Chip:
    """One 8259A; `int_line` is told when its INT output changes."""

    def __init__(self, int_line: Line, level_capable: int) -> None:
        self.record, self.state = allocate(PicRecord)
        self._int_line = int_line
        self._level_capable = level_capable
        self.state.expected = 1
        self.state.lowest = 7

    def set_line(self, mask: int, level: bool) -> None:
        """Drive one input line (given as its bit)."""
        s = self.state
        if level:
            rises = not s.lines & mask
            s.lines |= mask
            if not rises and not self._level_inputs() & mask:
                return
            s.irr |= mask
        else:
            if not s.lines & mask:
                return
            s.lines &= ~mask
            s.irr &= ~mask
        self._update()

    def acknowledge(self) -> int:
        """INTA: the input to serve; input 7 without its in-service bit when the request has gone (spurious)."""
        s = self.state
        request = self._best_request()
        if request < 0:
            return SPURIOUS
        self._drive(0)  # INT falls with INTA, so that a further request gives the master a new edge
        mask = 1 << request
        s.irr &= ~mask | self._level_inputs()
        if not s.icw4 & ICW4_AUTO_EOI:
            s.isr |= mask
        elif s.rotate_aeoi:
            s.lowest = request
        self._update()
        return request

    def read_command(self, now: int) -> int:
        s = self.state
        if s.poll:
            s.poll = 0
            return 0x80 | self.acknowledge() if self._best_request() >= 0 else 0
        return s.isr if s.read_isr else s.irr

    def read_mask(self, now: int) -> int:
        return self.read_command(now) if self.state.poll else self.state.imr

    def write_command(self, value: int, now: int) -> None:
        if value & ICW1:
            self._start_initialisation(value)
        elif value & OCW3:
            self._operate(value)
        else:
            self._end_of_interrupt(value)
        self._update()

    def write_mask(self, value: int, now: int) -> None:
        s = self.state
        if s.expected <= 1:
            s.imr = value
        elif s.expected == 2:
            s.base = value & 0xF8
            s.expected = 3 if not s.icw1 & ICW1_SINGLE else self._after_icw3()
        elif s.expected == 3:
            s.icw3 = value
            s.expected = self._after_icw3()
        else:
            s.icw4 = value
            s.expected = 0
        self._update()

    def read_elcr(self, now: int) -> int:
        return self.state.elcr

    def write_elcr(self, value: int, now: int) -> None:
        s = self.state
        s.elcr = value & self._level_capable
        s.irr = s.irr & ~s.elcr | s.lines & s.elcr
        self._update()

    def _start_initialisation(self, icw1: int) -> None:
        """ICW1 clears masks and edges: an edge input must fall and rise again before it requests anything."""
        s = self.state
        s.icw1 = icw1
        s.irr = s.lines & self._level_inputs()
        s.isr = s.imr = s.special_mask = s.read_isr = s.poll = s.rotate_aeoi = 0
        s.lowest = 7
        if not icw1 & ICW1_ICW4:
            s.icw4 = 0
        s.expected = 2

    def _after_icw3(self) -> int:
        return 4 if self.state.icw1 & ICW1_ICW4 else 0

    def _operate(self, ocw3: int) -> None:
        s = self.state
        if ocw3 & 0x40:
            s.special_mask = ocw3 >> 5 & 1
        if ocw3 & 0x04:
            s.poll = 1
        elif ocw3 & 0x02:
            s.read_isr = ocw3 & 1

    def _end_of_interrupt(self, ocw2: int) -> None:
        """OCW2: rotate (bit 7), specific (bit 6), EOI (bit 5), level (bits 2-0)."""
        s = self.state
        rotate, specific, eoi, level = ocw2 & 0x80, ocw2 & 0x40, ocw2 & 0x20, ocw2 & 7
        if eoi:
            if not specific:
                level = self._best(self._blocking())
                if level < 0:
                    return
            s.isr &= ~(1 << level)
            if rotate:
                s.lowest = level
        elif specific:
            if rotate:
                s.lowest = level
        else:
            s.rotate_aeoi = 1 if rotate else 0

    def _level_inputs(self) -> int:
        return 0xFF if self.state.icw1 & ICW1_LEVEL else self.state.elcr

    def _blocking(self) -> int:
        """In-service bits that hold back their own and lower priorities."""
        s = self.state
        return s.isr & ~s.imr if s.special_mask else s.isr

    def _best(self, bits: int) -> int:
        """The input of highest priority among `bits`, -1 if there is none."""
        if not bits:
            return -1
        first = self.state.lowest + 1
        rotated = (bits << 8 | bits) >> first & 0xFF
        return (rotated & -rotated).bit_length() - 1 + first & 7

    def _best_request(self) -> int:
        """The input whose request the CPU should be told of, -1 if there is none."""
        s = self.state
        requests = s.irr & ~s.imr
        if not requests or s.expected:
            return -1
        blocking = self._blocking()
        if s.icw4 & ICW4_SPECIAL_NESTED:
            blocking &= ~s.icw3  # a slave in service may interrupt again
        request = self._best(requests)
        if not blocking:
            return request
        first = s.lowest + 1
        return request if (request - first & 7) < (self._best(blocking) - first & 7) else -1

    def _update(self) -> None:
        self._drive(1 if self._best_request() >= 0 else 0)

    def _drive(self, level: int) -> None:
        if self.state.intr != level:
            self.state.intr = level
            self._int_line(level != 0)


class Pic:
    """The pair as a PC wires it."""

    def __init__(self) -> None:
        self.master = Chip(lambda level: None, level_capable=0xF8)
        self.slave = Chip(partial(self.master.set_line, 1 << CASCADE), level_capable=0xDE)

    def line(self, irq: int) -> Line:
        """The wire of interrupt request `irq` (0-15)."""
        chip = self.master if irq < 8 else self.slave
        return partial(chip.set_line, 1 << (irq & 7))

    def acknowledge(self) -> int:
        """The CPU's interrupt acknowledge: the vector."""
        irq = self.master.acknowledge()
        if irq == CASCADE and not self.master.state.icw1 & ICW1_SINGLE:
            return self.slave.state.base + self.slave.acknowledge()
        return self.master.state.base + irq

    def claim(self, ports: PortMap) -> None:
        for chip, command, elcr in ((self.master, 0x20, 0x4D0), (self.slave, 0xA0, 0x4D1)):
            ports.claim(command, chip.read_command, chip.write_command)
            ports.claim(command + 1, chip.read_mask, chip.write_mask)
            ports.claim(elcr, chip.read_elcr, chip.write_elcr)

    def records(self) -> dict[str, Record]:
        return {"pic_master": self.master.record, "pic_slave": self.slave.record}
