"""What devices ask of the machine as a whole: to be reset, or to end with a value.

The first request stands until the machine takes it; it is device state like any other, so one that was made just before
a snapshot is still there after it. Devices get `reset` and `exit` as callables.
"""

from dataclasses import dataclass
from enum import IntEnum

from node.devices.record import U8, U32, Record, allocate


class ResetCause(IntEnum):
    KEYBOARD_PULSE = 1
    KEYBOARD_OUTPUT_PORT = 2
    FAST_RESET = 3
    RESET_CONTROL = 4


SENTENCES = {
    ResetCause.KEYBOARD_PULSE: "the keyboard controller pulsed the reset line",
    ResetCause.KEYBOARD_OUTPUT_PORT: "the keyboard controller's output port held the reset line",
    ResetCause.FAST_RESET: "port 0x92 asked for a fast reset",
    ResetCause.RESET_CONTROL: "the reset control register at 0xcf9 was written",
}


@dataclass(frozen=True, slots=True)
class Reset:
    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    value: int


class RequestsRecord:
    cause: U8  # a ResetCause, 0 if no reset was asked for
    exits: U8  # an exit was asked for
    value: U32  # its value


class Requests:
    def __init__(self) -> None:
        self.record: Record
        self.record, self._state = allocate(RequestsRecord)

    def reset(self, cause: ResetCause) -> None:
        if not self._state.cause and not self._state.exits:
            self._state.cause = cause

    def exit(self, value: int) -> None:
        if not self._state.cause and not self._state.exits:
            self._state.exits, self._state.value = 1, value

    def take(self) -> Reset | Exit | None:
        """The standing request, once."""
        s = self._state
        request: Reset | Exit | None = None
        if s.cause:
            request = Reset(SENTENCES[ResetCause(s.cause)])
        elif s.exits:
            request = Exit(s.value)
        s.cause = s.exits = s.value = 0
        return request

    def records(self) -> dict[str, Record]:
        return {"requests": self.record}
