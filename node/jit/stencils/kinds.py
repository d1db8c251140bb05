"""What is common to those who make stencils and the one who copies them."""

from enum import Enum

from node.ia32.flags import LOGIC, SUB

# Holes by number in a stencil's list: an Op's fields (the first WIDE_FIELDS of 4 bytes, the others of 1), then the rest
FIELDS = ("disp", "imm", "length", "at", "a", "b", "base", "index", "scale", "seg")
COUNT = "count"  # instructions for which the budget must be enough, 4 bytes
TARGET = "target"  # of a direct branch, from its block's beginning, 4 bytes
DONE = "done"  # instructions executed since the budget was looked at, 4 bytes
OPERATION = "operation"  # address of the Op
LINK = "link"  # address of the Op that a direct branch leads to
HANDLER = "handler"  # address of the interpreter's handler for it
HELPERS = "helpers"  # address of the table of helpers
NEXT = "next"  # the stencil copied behind this one, relative
SLOW = "slow"  # the way to the interpreter's handler for this Op, relative
HOLES = (*FIELDS, COUNT, DONE, TARGET, OPERATION, LINK, HANDLER, HELPERS, NEXT, SLOW)
WIDE_FIELDS = 2


class Way(Enum):
    """For which Ops a stencil is; `slot`: its place among its handler's."""

    # an operand in memory at [base], [base + index] or [disp] in one of the segments that are flat; or at any 32-bit
    # address in FS or GS
    BASE, BASE_INDEX, PLACE, IN_FS, IN_GS = range(5)
    # a direct branch of which it is known which Op it leads to, or of which that must be found each time; then the same
    # for what looks at the flags that such an operation has left
    LINKED, SEARCHED = 8, 9
    LINKED_AFTER_SUB4, LINKED_AFTER_SUB1, LINKED_AFTER_LOGIC4 = 10, 11, 12
    SEARCHED_AFTER_SUB4, SEARCHED_AFTER_SUB1, SEARCHED_AFTER_LOGIC4 = 13, 14, 15
    ONLY = 16
    AFTER_SUB4, AFTER_SUB1, AFTER_LOGIC4 = 18, 19, 20

    @property
    def slot(self) -> int:
        return int(self.value) % WAYS


WAYS = 8
# Which value of cc_op (node.ia32.flags) a way is for
FLAGS = {
    SUB + 2: (Way.LINKED_AFTER_SUB4, Way.SEARCHED_AFTER_SUB4, Way.AFTER_SUB4),
    SUB: (Way.LINKED_AFTER_SUB1, Way.SEARCHED_AFTER_SUB1, Way.AFTER_SUB1),
    LOGIC + 2: (Way.LINKED_AFTER_LOGIC4, Way.SEARCHED_AFTER_LOGIC4, Way.AFTER_LOGIC4),
}
FLAGS_OF = {way: flags for flags, ways in FLAGS.items() for way in ways}

# Kinds of handlers: what chooses the way
PLAIN, MEMORY, DIRECT = range(3)
# In the place of a value of cc_op that a handler leaves
KEPT, UNKNOWN = -1, -2
# Slots of what is no instruction (special.py)
ENTRY, ENOUGH, INTERPRETED = range(3)
