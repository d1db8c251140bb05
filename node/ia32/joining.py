"""Joining the handlers of a block's Ops, two and two, as `pairs.py` lists them.

Its table holds 16-bit numbers: for each handler its row and its column, then the grid. At a row of one handler and a
column of another stands the number of the two joined, 0 where they are not; row and column 0 are nobody's.
"""

from node.ia32.blocks import handler_numbered, op_at
from node.ia32.state import OP_BYTES, Machine, Op
from node.jitted import inlined, jitted, peek16, peek64

HANDLERS, ROWS, COLUMNS = 2048, 64, 64  # at most
GRID = 2 * HANDLERS  # where it begins
NUMBER_BYTES = 16  # in front of a handler's code stands its number, so that an Op that holds the address tells it


@inlined
def number_of(e: Op) -> int:
    """Of an Op's handler, where handlers are addresses; a joined one has its first's."""
    return peek64(int(e.handler) - NUMBER_BYTES)


@inlined
def _joined(m: Machine, first: int, second: int) -> int:
    row, column = peek16(m.pairs + 4 * first), peek16(m.pairs + 4 * second + 2)
    return peek16(m.pairs + 2 * (GRID + row * COLUMNS + column))


@jitted
def join(m: Machine, ops: int, count: int) -> None:
    """The `count` Ops from address `ops` on, where handlers are addresses."""
    first = number_of(op_at(ops))
    at = 1
    while at < count:
        second = number_of(op_at(ops + at * OP_BYTES))
        number = _joined(m, first, second)
        if number:
            op_at(ops + (at - 1) * OP_BYTES).handler = handler_numbered(m, number)
            at += 1  # the second is nobody's first
            if at < count:
                second = number_of(op_at(ops + at * OP_BYTES))
        first = second
        at += 1
