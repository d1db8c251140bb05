"""The keyboard controller: an 8042 at 0x60/0x64 with a keyboard and no auxiliary port (AT type).

    0x64 read   status: 7 parity, 6 timeout, 5 auxiliary, 4 unlocked, 3 last write was a command, 2 self-tested,
                1 input full, 0 output full
    0x64 write  command                0x60 read / write   answer / data

Besides, its output port drives A20 and the reset line. The controller and its keyboard answer at once. IRQ1 is up while
the output buffer is full and the command byte enables it. Into the buffer go the controller's own answers, which
replace what has not been read, and else, byte by byte as it is emptied, what the keyboard sends. While the command byte
switches the keyboard off, that waits; a byte for the keyboard switches it on again.

Command byte bit 6 translates scan codes of set 2 to those of set 1. As no key is pressed, that is seen only in the few
answers of the keyboard that are scan codes, too, by which software knows that it is on.

A byte for the absent mouse comes back as real controllers give it, 0xFE with the timeout flag; the auxiliary loop
answers in the keyboard's voice and the auxiliary test finds the clock line stuck, which ends a probe for a mouse.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from node.devices.keyboard import Keyboard
from node.devices.ports import Line, PortMap
from node.devices.record import U8, Cells, Record, allocate, cells
from node.devices.requests import ResetCause

OUTPUT_FULL, SELF_TESTED, COMMAND, UNLOCKED, TIMEOUT = 0x01, 0x04, 0x08, 0x10, 0x40
COMMAND_BYTE_IRQ1, COMMAND_BYTE_TESTED = 0x01, 0x04
COMMAND_BYTE_KEYBOARD_OFF, COMMAND_BYTE_AUXILIARY_OFF, COMMAND_BYTE_TRANSLATE = 0x10, 0x20, 0x40
OUTPUT_PORT_RUN, OUTPUT_PORT_A20, OUTPUT_PORT_IRQ1 = 0x01, 0x02, 0x10
NO_ANSWER = 0xFE
CLOCK_STUCK_LOW = 0x01
TRANSLATION = {0x01: 0x43, 0x02: 0x41, 0x03: 0x3F, 0x83: 0x41}
"""Set 2 to set 1, of what the keyboard sends; its other bytes stay as they are."""


class KeyboardControllerRecord:
    memory: Annotated[Cells, cells(U8, 32)]  # the controller's RAM; byte 0 is the command byte
    output: U8  # output buffer
    full: U8  # it holds an answer not yet read
    timed_out: U8  # that answer stands for a device that did not answer
    last_was_command: U8  # the last write went to 0x64
    tested: U8  # the self-test has passed
    waiting: U8  # command whose data byte is to come at 0x60, 0 = none
    output_port: U8  # the pins of port P2: bit 0 low resets, bit 1 is A20


class KeyboardController:
    def __init__(self, keyboard: Keyboard, irq1: Line, reset: Callable[[ResetCause], None]) -> None:
        """As firmware leaves it: self-tested, scan code translation on, IRQ1 enabled, A20 open."""
        self.record: Record
        self.record, self.state = allocate(KeyboardControllerRecord)
        self._memory = self.state.memory
        self._keyboard = keyboard
        self._irq1 = irq1
        self._reset = reset
        self._memory[0] = COMMAND_BYTE_TRANSLATE | COMMAND_BYTE_TESTED | COMMAND_BYTE_IRQ1
        self.state.tested = 1
        self.state.output_port = 0xCF
        self._commands: dict[int, Callable[[], None]] = {
            0xA7: partial(self._change_command_byte, 0, COMMAND_BYTE_AUXILIARY_OFF),
            0xA8: partial(self._change_command_byte, COMMAND_BYTE_AUXILIARY_OFF, 0),
            0xA9: partial(self._answer, CLOCK_STUCK_LOW),
            0xAA: self._self_test,
            0xAB: partial(self._answer, 0x00),
            0xAD: partial(self._change_command_byte, 0, COMMAND_BYTE_KEYBOARD_OFF),
            0xAE: partial(self._change_command_byte, COMMAND_BYTE_KEYBOARD_OFF, 0),
            0xC0: partial(self._answer, 0x80),
            0xD0: self._answer_output_port,
            0xDD: partial(self._set_a20, False),
            0xDF: partial(self._set_a20, True),
        }

    @property
    def a20(self) -> bool:
        return bool(self.state.output_port & OUTPUT_PORT_A20)

    def claim(self, ports: PortMap) -> None:
        ports.claim(0x60, self._read_data, self._write_data)
        ports.claim(0x64, self._read_status, self._write_command)

    def records(self) -> dict[str, Record]:
        return {"keyboard_controller": self.record}

    # ---- registers

    def _read_data(self, now: int) -> int:
        s = self.state
        value = s.output
        s.full = s.timed_out = 0
        self._update()
        self._listen()
        return value

    def _read_status(self, now: int) -> int:
        s = self.state
        status = UNLOCKED | (OUTPUT_FULL if s.full else 0) | (SELF_TESTED if s.tested else 0)
        return status | (COMMAND if s.last_was_command else 0) | (TIMEOUT if s.timed_out else 0)

    def _write_data(self, value: int, now: int) -> None:
        s = self.state
        s.last_was_command = 0
        command, s.waiting = s.waiting, 0
        if 0x60 <= command < 0x80:
            self._memory[command & 0x1F] = value
            if command == 0x60:
                s.tested = 1 if value & COMMAND_BYTE_TESTED else 0
            self._update()
        elif command == 0xD1:
            s.output_port = value
            if not value & OUTPUT_PORT_RUN:
                self._reset(ResetCause.KEYBOARD_OUTPUT_PORT)
        elif command in (0xD2, 0xD3):
            self._answer(value)
        elif command == 0xD4:  # for the mouse: nobody is there
            self._answer(NO_ANSWER)
            s.timed_out = 1
        else:
            self._change_command_byte(COMMAND_BYTE_KEYBOARD_OFF, 0)
            self._keyboard.receive(value)
        self._listen()

    def _write_command(self, command: int, now: int) -> None:
        s = self.state
        s.last_was_command = 1
        s.waiting = 0
        if 0x60 <= command < 0x80 or 0xD1 <= command <= 0xD4:
            s.waiting = command
        elif 0x20 <= command < 0x40:
            self._answer(self._memory[command & 0x1F])
        elif command >= 0xF0:
            if not command & OUTPUT_PORT_RUN:
                self._reset(ResetCause.KEYBOARD_PULSE)
        elif command in self._commands:
            self._commands[command]()
        self._listen()

    # ---- inside

    def _listen(self) -> None:
        """Take a byte that the keyboard has to send, if it may and there is room for it."""
        enabled = not self._memory[0] & COMMAND_BYTE_KEYBOARD_OFF
        if enabled and not self.state.full and self._keyboard.waits_to_send:
            byte = self._keyboard.send()
            translates = self._memory[0] & COMMAND_BYTE_TRANSLATE
            self._answer(TRANSLATION.get(byte, byte) if translates else byte)

    def _answer(self, value: int) -> None:
        s = self.state
        s.output, s.full, s.timed_out = value, 1, 0
        self._update()

    def _self_test(self) -> None:
        self.state.tested = 1
        self._memory[0] |= COMMAND_BYTE_TESTED
        self._answer(0x55)

    def _answer_output_port(self) -> None:
        s = self.state
        self._answer(s.output_port & ~OUTPUT_PORT_IRQ1 | (OUTPUT_PORT_IRQ1 if s.full else 0))

    def _set_a20(self, level: bool) -> None:
        s = self.state
        s.output_port = s.output_port & ~OUTPUT_PORT_A20 | (OUTPUT_PORT_A20 if level else 0)

    def _change_command_byte(self, clear: int, set_: int) -> None:
        self._memory[0] = self._memory[0] & ~clear | set_

    def _update(self) -> None:
        self._irq1(bool(self.state.full) and bool(self._memory[0] & COMMAND_BYTE_IRQ1))
