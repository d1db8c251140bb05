"""Guest code as `node.jit.regions.formation` asks for it, out of a dictionary of pages; the plain decoder decodes."""

from node.ia32 import decode
from node.ia32.blocks import op_at
from node.ia32.decoder_table import decoder_table
from node.ia32.state import MACHINE
from node.jit.regions.guest_code import Decoder
from node.jit.regions.shape import PAGE
from node.jitted import record_at


def plain_decode(machine: int, op: int, code: int, available: int, wide: int) -> int:
    return decode.decode(record_at(machine, MACHINE), op_at(op), code, available, wide)


class CodeTwin:
    """`pages`: linear page → (backing offset, content). What is not in `cold` has been executed often."""

    def __init__(self, pages: dict[int, tuple[int, bytes]], cold: tuple[int, ...] = ()) -> None:
        self._pages, self._cold = pages, cold
        self._decoder = Decoder(plain_decode, decoder_table().ctypes.data)

    def page(self, linear: int) -> int | None:
        found = self._pages.get(linear & ~(PAGE - 1))
        return found[0] if found else None

    def content(self, backing: int) -> bytes:
        return next(content for at, content in self._pages.values() if at == backing).ljust(PAGE, b"\x90")

    def decode(self, content: bytes, offset: int) -> tuple[int, bytes] | None:
        return self._decoder.decode(content, offset)

    def warmth(self, backing: int) -> float:
        return 0.0 if backing in self._cold else 1.0
