"""The stencils as one piece of memory, in the layout that `copying.py` reads.

a row a handler       kind, then for each of its WAYS the offset of a stencil; 0: there is none
a stencil             bytes of code, number of holes, a word a hole (offset | number in HOLES << 32), the code
"""

import struct
from collections.abc import Mapping

from node.ia32.blocks import ENTRY_HANDLER
from node.jit.stencils.cutting import Stencil
from node.jit.stencils.kinds import HOLES, PLAIN, WAYS

ROW = struct.Struct(f"<{1 + WAYS}q")
SPECIAL = ("entry", "enough", "interpreted")  # by slot in the row of ENTRY_HANDLER, which is no Op of a block's code


def table(handlers: int, kinds: Mapping[int, int], stencils: Mapping[str, Stencil]) -> bytes:
    """`stencils` by name: number_slot, or one of SPECIAL."""
    rows, body = bytearray(), bytearray()
    at = handlers * ROW.size
    for number in range(handlers):
        offsets = []
        for slot in range(WAYS):
            name = SPECIAL[slot] if number == ENTRY_HANDLER and slot < len(SPECIAL) else f"{number}_{slot}"
            stencil = stencils.get(name)
            offsets.append(at + len(body) if stencil else 0)
            body += _packed(stencil) if stencil else b""
        rows += ROW.pack(kinds.get(number, PLAIN), *offsets)
    return bytes(rows + body)


def _packed(stencil: Stencil) -> bytes:
    holes = [offset | HOLES.index(hole) << 32 for offset, hole in stencil.holes]
    head = struct.pack(f"<{2 + len(holes)}q", len(stencil.code), len(holes), *holes)
    return head + stencil.code + bytes(-len(stencil.code) % 8)
