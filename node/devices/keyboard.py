"""A keyboard of the MF2 kind, as it came with the PS/2, behind its controller. No key is ever pressed on it.

    FF reset: FA AA         F0 scan-code set, option 1-3, or 0: which?      EE echo: EE
    F2 identify: FA AB 83   ED indicators, F3 typematic rate, an option     FE the last byte once more
    F4 enable, F5 disable, F6 defaults, F7-FA all keys' types, FB-FD these keys' types: a list of keys as options

Each byte that is understood is acknowledged with FA, any other with FE (send again). An option has its high bit clear:
a command in its place takes its place. A byte from the system ends what was left of the answer to the one before.
What only keys would show is accepted and not kept: indicators, typematic rate, keys' types, whether keys are scanned.
IBM PS/2 Hardware Interface Technical Reference, Keyboards (101- and 102-key).
"""

from typing import Annotated

from node.devices.record import U8, Cells, Record, allocate, cells

ACKNOWLEDGE, RESEND, TEST_PASSED = 0xFA, 0xFE, 0xAA
RESET, DEFAULTS, DISABLE, SCAN_CODES = 0xFF, 0xF6, 0xF5, 0xF0
LISTS_OF_KEYS = (0xFB, 0xFC, 0xFD)
COMMAND = 0x80
QUEUE = 16
DEFAULT_SET = 2

ANSWERS = {
    **{command: (ACKNOWLEDGE,) for command in (0xED, 0xF0, *range(0xF3, 0xFE))},
    0xEE: (0xEE,),
    0xF2: (ACKNOWLEDGE, 0xAB, 0x83),
    RESET: (ACKNOWLEDGE, TEST_PASSED),
}
HAVE_OPTIONS = (0xED, SCAN_CODES, 0xF3, *LISTS_OF_KEYS)


class KeyboardRecord:
    queue: Annotated[Cells, cells(U8, QUEUE)]  # what is yet to be sent, a ring
    first: U8  # its oldest
    count: U8  # bytes in it
    sent: U8  # the last byte sent that did not itself ask for a repetition
    command: U8  # whose option is to come, 0 = none
    scan_codes: U8  # the set in use


class Keyboard:
    def __init__(self) -> None:
        """As firmware leaves it: its self-test has passed, and has been heard of."""
        self._record, self.state = allocate(KeyboardRecord)
        self._queue = self.state.queue
        self.state.sent = TEST_PASSED
        self.state.scan_codes = DEFAULT_SET

    def records(self) -> dict[str, Record]:
        return {"keyboard": self._record}

    @property
    def waits_to_send(self) -> bool:
        return self.state.count > 0

    def send(self) -> int:
        """The oldest byte of what waits."""
        s = self.state
        byte = self._queue[s.first]
        s.first = (s.first + 1) % QUEUE
        s.count -= 1
        if byte != RESEND:
            s.sent = byte
        return byte

    def receive(self, byte: int) -> None:
        """A byte from the system."""
        s = self.state
        if byte == RESEND:
            self._send_again()
            return
        s.count = 0
        command, s.command = s.command, 0
        if command and byte < COMMAND:
            self._take_option(command, byte)
        else:
            self._obey(byte)

    def _obey(self, command: int) -> None:
        if command in (RESET, DEFAULTS, DISABLE):
            self.state.scan_codes = DEFAULT_SET
        if command in HAVE_OPTIONS:
            self.state.command = command
        self._answer(*ANSWERS.get(command, (RESEND,)))

    def _take_option(self, command: int, option: int) -> None:
        s = self.state
        if command in LISTS_OF_KEYS:
            s.command = command  # until another command ends the list
        if command != SCAN_CODES:
            self._answer(ACKNOWLEDGE)
        elif option == 0:
            self._answer(ACKNOWLEDGE, s.scan_codes)
        elif option <= 3:
            s.scan_codes = option
            self._answer(ACKNOWLEDGE)
        else:
            s.command = command  # for the option that is sent again
            self._answer(RESEND)

    def _answer(self, *answer: int) -> None:
        s = self.state
        for byte in answer:
            self._queue[(s.first + s.count) % QUEUE] = byte
            s.count += 1

    def _send_again(self) -> None:
        """In front of the rest of an answer, which still follows."""
        s = self.state
        if s.count < QUEUE:
            s.first = (s.first - 1) % QUEUE
            self._queue[s.first] = s.sent
            s.count += 1
