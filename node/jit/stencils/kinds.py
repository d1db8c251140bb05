"""What is common to those who make stencils and the one who copies them."""

from enum import Enum

from node.ia32.blocks import MOST_OPS
from node.ia32.flags import LOGIC, SUB
from node.ia32.state import EBX, NO_REG

# Holes by number in a stencil's list: an Op's fields, those first that are as wide as their holes; then the rest
FIELDS = ("disp", "imm", "length", "at", "a", "b", "base", "index", "scale", "seg")
WIDE_FIELDS = 2
# Small holes, a byte inside of an instruction: in the place of such a field, where the register lies among Cpu.gpr; and
# the same of a byte register that is one of the first four
PLACES = {field: f"{field}_place" for field in ("a", "b", "base", "index")}
LOW_PLACES = {field: f"{field}_low" for field in ("a", "b")}
# The same of the Op behind, of that behind it, and of the third: their `a`
BEHIND = ("second_place", "third_place", "fourth_place")
COUNT = "count"  # instructions for which the budget must be enough, small
# Instructions executed since the budget was looked at, without this one and with it; negative, small
DONE, DONE_TOO = "done", "done_too"
AFTER = "after"  # where the next instruction is, from its block's beginning, 4 bytes
TARGET = "target"  # of a direct branch, likewise
OPERATION = "operation"  # address of the Op
LINK = "link"  # address of the Op that a direct branch leads to
HANDLER = "handler"  # address of the interpreter's handler for it
HELPERS = "helpers"  # address of the table of helpers
NEXT = "next"  # the stencil copied behind this one, relative
SLOW = "slow"  # the way to the interpreter's handler for this Op, relative
PAUSE = "pause"  # where the budget has been used up, relative
# A small hole's lowest value, the bound above, and what it is a multiple of
SMALL = {
    **dict.fromkeys(PLACES.values(), (0, 8 * NO_REG + 1, 8)),
    **dict.fromkeys(LOW_PLACES.values(), (0, 8 * EBX + 1, 8)),
    **dict.fromkeys(BEHIND, (0, 8 * NO_REG + 1, 8)),
    **{COUNT: (0, MOST_OPS + 2, 1), DONE: (-MOST_OPS, 1, 1), DONE_TOO: (-MOST_OPS - 1, 1, 1)},
}
HOLES = (*FIELDS, *SMALL, AFTER, TARGET, OPERATION, LINK, HANDLER, HELPERS, NEXT, SLOW, PAUSE)


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
    # two, three and four such Ops, one behind another
    TWO, THREE, FOUR = 21, 22, 23

    @property
    def slot(self) -> int:
        return int(self.value) % LOW


LOW = 8  # to be added to the slot: the same where all byte registers are among the first four (AL CL DL BL)
WAYS = 2 * LOW
# Which value of cc_op (node.ia32.flags) a way is for
FLAGS = {
    SUB + 2: (Way.LINKED_AFTER_SUB4, Way.SEARCHED_AFTER_SUB4, Way.AFTER_SUB4),
    SUB: (Way.LINKED_AFTER_SUB1, Way.SEARCHED_AFTER_SUB1, Way.AFTER_SUB1),
    LOGIC + 2: (Way.LINKED_AFTER_LOGIC4, Way.SEARCHED_AFTER_LOGIC4, Way.AFTER_LOGIC4),
}
FLAGS_OF = {way: flags for flags, ways in FLAGS.items() for way in ways}

RUN_OF = {2: Way.TWO, 3: Way.THREE, 4: Way.FOUR}

# Kinds of handlers: what chooses the way
PLAIN, MEMORY, DIRECT = range(3)
# In the place of a value of cc_op that a handler leaves
KEPT, UNKNOWN = -1, -2
# Which of an Op's fields are byte registers, in a word with the kind
A_IS_BYTE, B_IS_BYTE = 8, 16
# Slots of what is no instruction (special.py)
ENTRY, ENOUGH, INTERPRETED, PAUSED, NOTHING = range(5)
