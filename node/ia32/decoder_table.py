"""The decoder's table (its layout: `decode.py`), packed for a processor's features.

What a processor lacks is left out, and raises #UD as any other undefined opcode does.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from node.ia32 import decode
from node.ia32.decode import PREFIX_TABLE, PREFIXED_ENTRIES, RM_TABLE, table_index
from node.ia32.encodings import Encoding, has_modrm, immediate_kind, is_register_only
from node.ia32.features import EVERY
from node.ia32.handlers import Numbered, numbered
from node.ia32.operands import MEM
from node.ia32.rows import Row

PREFIX_GROUPS = 160
ENTRY_BYTES = 8
TABLE_ENTRIES = PREFIX_TABLE + PREFIX_GROUPS * PREFIXED_ENTRIES
_IMMEDIATE, _FLAGS = 4, 5  # bytes of an entry


@cache
def decoder_table(features: int = EVERY) -> npt.NDArray[np.uint8]:
    """An entry a row."""
    table = _Table()
    for row, encodings in numbered():
        if row.feature & ~features == 0:
            table.enter(row, encodings)
    table.entries.setflags(write=False)
    return table.entries


class _Table:
    def __init__(self) -> None:
        self.entries = np.zeros((TABLE_ENTRIES, ENTRY_BYTES), np.uint8)
        self._numbers = self.entries.view(np.uint16)
        self._rm_groups: dict[tuple[int, int], int] = {}
        self._prefix_groups: dict[int, int] = {}

    def enter(self, row: Row, encodings: tuple[Numbered, ...]) -> None:
        with_modrm, immediate = has_modrm(row), immediate_kind(row)
        flags = (decode.HAS_MODRM if with_modrm else 0) | (decode.ENDS if row.ends in ("always", "branch") else 0)
        flags |= (decode.LOCKABLE if row.lock else 0) | (decode.REGISTER_ONLY if is_register_only(row) else 0)
        for x in encodings:
            opcode = x.encoding.opcode
            if with_modrm:  # the decoder looks at modrm.reg 0 to learn that there is a modrm byte at all
                self.entries[_places(opcode, range(8), (0, 1)), _FLAGS] |= decode.HAS_MODRM
            places = self._places_of(x.encoding)
            for form, number in x.handlers.items():
                self._numbers[places, 1 if form == MEM and with_modrm else 0] = number
            self.entries[places, _IMMEDIATE] = immediate
            self.entries[places, _FLAGS] |= flags

    def _places_of(self, x: Encoding) -> slice:
        """Of the encoding's entries; those that lead there are filled in on the way."""
        if x.prefix is not None:
            group = self._prefix_groups.setdefault(x.opcode, len(self._prefix_groups))
            self._lead(_places(x.opcode, range(1), (0, 1)), group, decode.BY_PREFIX)
            first = PREFIX_TABLE + group * PREFIXED_ENTRIES + x.prefix * 8
            return slice(first + x.regs.start, first + x.regs.stop)
        places = _places(x.opcode, x.regs, x.narrow)
        if x.rm is None:
            return places
        group = self._rm_groups.setdefault((x.opcode, x.regs.start), len(self._rm_groups))
        self._lead(places, group, decode.HAS_MODRM | decode.BY_RM)
        first = RM_TABLE + group * 8 + x.rm
        return slice(first, first + 1)

    def _lead(self, places: slice, group: int, flags: int) -> None:
        self._numbers[places, 0] = group
        self.entries[places, _FLAGS] |= flags


def _places(opcode: int, regs: range, narrow: tuple[int, ...]) -> slice:
    first, last = table_index(opcode, regs.start, narrow[0]), table_index(opcode, regs.stop - 1, narrow[-1])
    return slice(first, last + 1, 1 if len(narrow) == 2 else 2)
