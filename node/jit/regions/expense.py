"""What translating a region is going to cost, from what those before it have cost on this host."""

BESIDES = 8  # instructions: what costs as much in every region as these
AT_FIRST_NS = 2_000_000  # an instruction, as long as none is known
AT_FIRST = 50  # instructions after which what was measured counts as much as that


class Expense:
    def __init__(self) -> None:
        self._instructions, self._used_ns = AT_FIRST, AT_FIRST * AT_FIRST_NS

    def expected_ns(self, instructions: int) -> int:
        """CPU time for a region of so many."""
        return (instructions + BESIDES) * self._used_ns // self._instructions

    def was(self, instructions: int, used_ns: int) -> None:
        self._instructions += instructions + BESIDES
        self._used_ns += used_ns
