"""The receiving side of a serial port: the far end, the line, and the FIFO.

    queue (far end) -- one character a character time, while `ready` and there is room --> FIFO --> the guest

Nothing is ever lost on the line: the far end has hardware flow control and sends only to a ready receiver with room in
its FIFO; what waits is part of the record. A character is in the FIFO one character time after it was begun. Knows no
registers: the UART tells it pace, depth and readiness when its registers change.
"""

from typing import Annotated

from node.devices.record import I64, NEVER, U8, U16, Cells, Record, allocate, cells

QUEUE = 16384
FIFO = 16
TIMEOUT_CHARACTERS = 4


class ReceiverRecord:
    fifo: Annotated[Cells, cells(U8, FIFO)]  # received characters, a ring
    first: U8  # its oldest
    count: U8  # characters in it
    depth: U8  # how many it may hold: 16, or 1 with the FIFO switched off
    ready: U8  # the far end may send
    overrun: U8  # a character looped back found no room
    timed_out: U8  # four character times went by with the FIFO neither filled nor read
    character_ns: I64  # time of one character on the line, 0 = the line stands still
    arrival: I64  # guest time at which the next character is complete, NEVER if none is on the line
    timeout: I64  # guest time of the character timeout, NEVER if none is running
    due: I64  # the earlier of both
    queue: Annotated[Cells, cells(U8, QUEUE)]  # what the far end has yet to send, a ring
    queue_first: U16  # its oldest
    queue_count: U16  # characters in it


class Receiver:
    def __init__(self) -> None:
        self.record: Record
        self.record, self.state = allocate(ReceiverRecord)
        self._queue, self._fifo = self.state.queue, self.state.fifo
        s = self.state
        s.depth = 1
        s.arrival = s.timeout = s.due = NEVER

    def enqueue(self, data: bytes, now: int) -> int:
        """Give the far end something to send; how much of it the queue had room for."""
        s = self.state
        taken = data[: QUEUE - s.queue_count]
        for index, byte in enumerate(taken, s.queue_first + s.queue_count):
            self._queue[index % QUEUE] = byte
        s.queue_count += len(taken)
        self._plan(now)
        return len(taken)

    def configure(self, *, character_ns: int, depth: int, ready: bool, now: int) -> None:
        """The UART's registers changed; another depth means that the FIFO was switched, which empties it."""
        s = self.state
        if depth != s.depth:
            self.clear()
        s.character_ns, s.depth, s.ready = character_ns, depth, 1 if ready else 0
        self._plan(now)

    def advance(self, now: int) -> None:
        """Complete what has arrived by `now`, and the character timeout."""
        s = self.state
        while s.arrival <= now:
            arrived = s.arrival
            self._put(self._queue[s.queue_first])
            s.queue_first = (s.queue_first + 1) % QUEUE
            s.queue_count -= 1
            s.arrival = NEVER
            self._restart_timeout(arrived)
        if s.timeout <= now:
            s.timeout = NEVER
            s.timed_out = 1
            s.due = s.arrival

    def loop_back(self, byte: int, now: int) -> None:
        """The transmitter feeds the receiver: here, and only here, an overrun can happen."""
        s = self.state
        if s.count < s.depth:
            self._put(byte)
        else:
            s.overrun = 1
            if s.depth == 1:
                self._fifo[s.first] = byte
        self._restart_timeout(now)

    def take(self, now: int) -> int:
        """The oldest character; 0 if there is none."""
        s = self.state
        if not s.count:
            return 0
        byte = self._fifo[s.first]
        s.first = (s.first + 1) % FIFO
        s.count -= 1
        self._restart_timeout(now)
        return byte

    def clear(self) -> None:
        """Discard the FIFO."""
        s = self.state
        s.count = s.timed_out = 0
        s.timeout = NEVER
        s.due = s.arrival

    def _put(self, byte: int) -> None:
        s = self.state
        self._fifo[(s.first + s.count) % FIFO] = byte
        s.count += 1

    def _restart_timeout(self, now: int) -> None:
        """A character came or was taken: the timeout runs anew while a FIFO holds any."""
        s = self.state
        s.timed_out = 0
        runs = s.count and s.depth > 1 and s.character_ns
        s.timeout = now + TIMEOUT_CHARACTERS * s.character_ns if runs else NEVER
        self._plan(now)

    def _plan(self, now: int) -> None:
        """Begin the next character if the far end may send; else the line is silent."""
        s = self.state
        if not s.ready or not s.queue_count or s.count >= s.depth or not s.character_ns:
            s.arrival = NEVER
        elif s.arrival == NEVER:
            s.arrival = now + s.character_ns
        s.due = min(s.arrival, s.timeout)
