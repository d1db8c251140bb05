"""The DMA controllers: two 8237A with their page registers, as far as software programs them without a device on them.

    channels 0-3  registers 0x00-0x0F, one apart      pages 0x87 0x83 0x81 0x82
    channels 4-7  registers 0xC0-0xDF, two apart      pages 0x8F 0x8B 0x89 0x8A

Addresses, counts, masks and modes hold what is written and read back through the byte flip-flop; no device asks for a
transfer yet, so none takes place. The page registers are sixteen plain bytes at 0x80-0x8F. Port 0x80 is one of them:
firmware shows progress codes there and kernels write it as a delay.
"""

from functools import partial
from typing import Annotated

from node.devices.ports import PortMap
from node.devices.record import U8, U16, Cells, Record, allocate, cells


class DmaRecord:
    base: Annotated[Cells, cells(U16, 8)]  # address and count of each channel as programmed: a0 c0 a1 c1 a2 c2 a3 c3
    current: Annotated[Cells, cells(U16, 8)]  # address and count as they stand
    modes: Annotated[Cells, cells(U8, 4)]  # mode register of each channel
    high_byte: U8  # flip-flop: the next address or count byte is the high one
    command: U8  # command register
    mask: U8  # masked channels
    requests: U8  # software requests


class PagesRecord:
    pages: Annotated[Cells, cells(U8, 16)]  # ports 0x80-0x8F


class Dma8237:
    """One controller: sixteen registers `spacing` ports apart."""

    def __init__(self) -> None:
        self.record, self.state = allocate(DmaRecord)
        self.state.mask = 0x0F

    def claim(self, ports: PortMap, base: int, spacing: int) -> None:
        for number in range(8):
            ports.claim(
                base + number * spacing, partial(self._read_channel, number), partial(self._write_channel, number)
            )
        control = (
            (self._read_status, self._write_command),
            (None, self._write_request),
            (None, self._write_single_mask),
            (None, self._write_mode),
            (None, self._clear_flip_flop),
            (lambda now: 0, self._master_clear),
            (None, self._clear_mask),
            (lambda now: self.state.mask | 0xF0, self._write_mask),
        )
        for number, (read, write) in enumerate(control, 8):
            ports.claim(base + number * spacing, read, write)

    def _read_channel(self, number: int, now: int) -> int:
        s = self.state
        value = s.current[number] >> 8 * s.high_byte & 0xFF
        s.high_byte ^= 1
        return value

    def _write_channel(self, number: int, value: int, now: int) -> None:
        s = self.state
        word = s.base[number] & 0xFF | value << 8 if s.high_byte else s.base[number] & 0xFF00 | value
        s.base[number] = s.current[number] = word
        s.high_byte ^= 1

    def _read_status(self, now: int) -> int:
        return self.state.requests << 4

    def _write_command(self, value: int, now: int) -> None:
        self.state.command = value

    def _write_request(self, value: int, now: int) -> None:
        self.state.requests = _with_bit(self.state.requests, value)

    def _write_single_mask(self, value: int, now: int) -> None:
        self.state.mask = _with_bit(self.state.mask, value)

    def _write_mode(self, value: int, now: int) -> None:
        self.state.modes[value & 3] = value

    def _clear_flip_flop(self, value: int, now: int) -> None:
        self.state.high_byte = 0

    def _master_clear(self, value: int, now: int) -> None:
        s = self.state
        s.command = s.requests = s.high_byte = 0
        s.mask = 0x0F

    def _clear_mask(self, value: int, now: int) -> None:
        self.state.mask = 0

    def _write_mask(self, value: int, now: int) -> None:
        self.state.mask = value & 0x0F


def _with_bit(bits: int, value: int) -> int:
    """Set (bit 2) or clear the bit of the channel named in bits 1-0."""
    bit = 1 << (value & 3)
    return bits | bit if value & 4 else bits & ~bit


class Dma:
    def __init__(self) -> None:
        self.low, self.high = Dma8237(), Dma8237()
        self._record, self._state = allocate(PagesRecord)

    def claim(self, ports: PortMap) -> None:
        self.low.claim(ports, 0x00, 1)
        self.high.claim(ports, 0xC0, 2)
        for number in range(16):
            ports.claim(0x80 + number, partial(self._read_page, number), partial(self._write_page, number))

    def records(self) -> dict[str, Record]:
        return {"dma_low": self.low.record, "dma_high": self.high.record, "dma_pages": self._record}

    def _read_page(self, number: int, now: int) -> int:
        return self._state.pages[number]

    def _write_page(self, number: int, value: int, now: int) -> None:
        self._state.pages[number] = value
