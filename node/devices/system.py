"""The system board's own ports: speaker and timer gate, fast A20 and reset, reset control, floating-point errors, APM.

0x61   0 gate of timer 2, 1 speaker, 2-3 parity and I/O check off, 4 refresh toggle, 5 OUT of timer 2
0x92   0 fast reset (rising), 1 A20           0xCF9  1 system reset kind, 2 reset (rising), 3 full reset
0xB2   APM control and status, plain bytes    0xF0   clears the floating-point error: IRQ13 falls, IGNNE# rises
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from node.devices.ports import Line, PortMap
from node.devices.record import U8, Cells, Record, allocate, cells
from node.devices.requests import ResetCause

REFRESH_NS = 15_085  # DRAM refresh: counter 1 of the timer divides by 18


class SystemRecord:
    control: U8  # port 0x61 bits 3-0
    port92: U8  # port 0x92 bits 1-0
    reset_control: U8  # port 0xCF9
    apm: Annotated[Cells, cells(U8, 2)]  # ports 0xB2 and 0xB3
    ferr: U8  # the FPU's FERR# is active
    ignne: U8  # IGNNE# is active: the CPU ignores the pending error


class System:
    def __init__(
        self,
        *,
        set_gate2: Callable[[bool, int], None],
        out2: Callable[[int], bool],
        irq13: Line,
        reset: Callable[[ResetCause], None],
    ) -> None:
        """`set_gate2` and `out2` are the wires to and from counter 2 of the timer, at a guest time."""
        self._record, self._state = allocate(SystemRecord)
        self._set_gate2, self._out2 = set_gate2, out2
        self._irq13 = irq13
        self._reset = reset

    @property
    def a20(self) -> bool:
        return bool(self._state.port92 & 2)

    @property
    def ignne(self) -> bool:
        return bool(self._state.ignne)

    def ferr(self, level: bool) -> None:
        """The FPU's error output changed."""
        s = self._state
        if level and not s.ferr:
            self._irq13(True)
        elif not level:
            s.ignne = 0
            self._irq13(False)
        s.ferr = 1 if level else 0

    def claim(self, ports: PortMap) -> None:
        ports.claim(0x61, self._read_control, self._write_control)
        ports.claim(0x92, lambda now: self._state.port92, self._write_port92)
        ports.claim(0xCF9, lambda now: self._state.reset_control, self._write_reset_control)
        ports.claim(0xF0, None, self._clear_ferr)
        for number in range(2):
            ports.claim(0xB2 + number, partial(self._read_apm, number), partial(self._write_apm, number))

    def records(self) -> dict[str, Record]:
        return {"system": self._record}

    def _read_control(self, now: int) -> int:
        refresh = now // REFRESH_NS & 1
        return self._state.control | refresh << 4 | (0x20 if self._out2(now) else 0)

    def _write_control(self, value: int, now: int) -> None:
        self._state.control = value & 0x0F
        self._set_gate2(bool(value & 1), now)

    def _write_port92(self, value: int, now: int) -> None:
        if value & ~self._state.port92 & 1:
            self._reset(ResetCause.FAST_RESET)
        self._state.port92 = value & 3

    def _write_reset_control(self, value: int, now: int) -> None:
        if value & ~self._state.reset_control & 4:
            self._reset(ResetCause.RESET_CONTROL)
        self._state.reset_control = value & 0x0E

    def _clear_ferr(self, value: int, now: int) -> None:
        if self._state.ferr:
            self._state.ignne = 1
        self._irq13(False)

    def _read_apm(self, number: int, now: int) -> int:
        return self._state.apm[number]

    def _write_apm(self, number: int, value: int, now: int) -> None:
        self._state.apm[number] = value
