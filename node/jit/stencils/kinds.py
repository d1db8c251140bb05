"""What is common to those who make stencils and the one who copies them."""

from enum import Enum

# Holes by number in a stencil's list: an Op's fields (the first WIDE_FIELDS of 4 bytes, the others of 1), then the rest
FIELDS = ("disp", "imm", "length", "at", "a", "b", "base", "index", "scale", "seg")
COUNT = "count"  # instructions for which the budget must be enough, 4 bytes
DONE = "done"  # instructions executed since the budget was looked at, 4 bytes
OPERATION = "operation"  # address of the Op
HANDLER = "handler"  # address of the interpreter's handler for it
HELPERS = "helpers"  # address of the table of helpers
NEXT = "next"  # the stencil copied behind this one, relative
SLOW = "slow"  # the way to the interpreter's handler for this Op, relative
HOLES = (*FIELDS, COUNT, DONE, OPERATION, HANDLER, HELPERS, NEXT, SLOW)
WIDE_FIELDS = 2


class Way(Enum):
    """For which Ops a stencil is; `slot`: its place among its handler's."""

    # an operand in memory at [base], [base + index] or [disp] in one of the segments that are flat; or at any 32-bit
    # address in FS or GS
    BASE, BASE_INDEX, PLACE, IN_FS, IN_GS = range(5)
    # a direct branch that stays on its page, or leaves it
    NEAR, FAR = 5, 6
    ONLY = 10

    @property
    def slot(self) -> int:
        return int(self.value) % WAYS


WAYS = 5
# Kinds of handlers: what chooses the way
PLAIN, MEMORY, DIRECT = range(3)
# Slots of what is no instruction (table.py)
ENTRY, ENOUGH, INTERPRETED = range(3)
