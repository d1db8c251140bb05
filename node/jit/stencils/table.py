"""The stencils as one piece of memory, in the layout that `copying.py` reads.

a row a handler       kind and which fields are byte registers, flags that it leaves, then for each of its WAYS the
                      offset of a stencil; 0: there is none
a stencil             bytes of code, number of holes, number of those that are SLOW, a word a hole (offset | number in
                      HOLES << 32), the code
"""

import struct
from collections.abc import Mapping

from node.jit.stencils.cutting import Stencil
from node.jit.stencils.kinds import HOLES, PLAIN, SLOW, UNKNOWN, WAYS

ROW = struct.Struct(f"<{2 + WAYS}q")


def table(handlers: int, kinds: Mapping[int, int], flags: Mapping[int, int], stencils: Mapping[str, Stencil]) -> bytes:
    """By handler's number its kind, and the value of cc_op that it leaves, KEPT or UNKNOWN; by name (number_slot) its
    stencils."""
    rows, body = bytearray(), bytearray()
    at = handlers * ROW.size
    for number in range(handlers):
        offsets = []
        for slot in range(WAYS):
            stencil = stencils.get(f"{number}_{slot}")
            offsets.append(at + len(body) if stencil else 0)
            body += _packed(stencil) if stencil else b""
        rows += ROW.pack(kinds.get(number, PLAIN), flags.get(number, UNKNOWN), *offsets)
    return bytes(rows + body)


def _packed(stencil: Stencil) -> bytes:
    holes = [offset | HOLES.index(hole) << 32 for offset, hole in stencil.holes]
    slow = sum(hole == SLOW for _, hole in stencil.holes)
    head = struct.pack(f"<{3 + len(holes)}q", len(stencil.code), len(holes), slow, *holes)
    return head + stencil.code + bytes(-len(stencil.code) % 8)
