"""A running guest's code as the translator's thread reads it: racy but bounded. The installer compares it again."""

import ctypes
from collections.abc import Callable, Iterator

from node.ia32.fetch import WIDE_KEY
from node.ia32.handlers import handlers
from node.ia32.processor import Processor, Reach
from node.ia32.state import M32, MACHINE, MODE_USER, OP, OP_BYTES
from node.ia32.tlb import FETCH_KERNEL, FETCH_USER, entry_of, page_of
from node.jit.regions.formation import OPERANDS
from node.jit.regions.shape import PAGE
from node.jitted import new_record

_LONGEST = 15  # bytes of an instruction
_OPERANDS_AT = OP.fields["disp"][1]  # type: ignore[index]

Native = Callable[..., int]


class Decoder:
    """The interpreter's decoder, over a machine record of its own in which handlers are numbers."""

    def __init__(self, decode: Native, encodings: int) -> None:
        """`encodings`: address of the processor model's decoding tables."""
        self._decode = decode
        self._record, machine = new_record(MACHINE)
        self._numbers = (ctypes.c_int64 * len(handlers()))(*range(len(handlers())))
        machine.encodings = encodings
        machine.handlers = ctypes.addressof(self._numbers)
        self._machine = int(self._record.ctypes.data)
        self._op = ctypes.create_string_buffer(OP_BYTES)
        self._page = ctypes.create_string_buffer(PAGE)
        self._content = b""

    def reach(self) -> Iterator[Reach]:
        """Besides the processor's own memory, what decoding touches."""
        yield "decoder's machine", self._machine, self._record.nbytes
        for name, buffer in (("numbers", self._numbers), ("op", self._op), ("page", self._page)):
            yield f"decoder's {name}", ctypes.addressof(buffer), ctypes.sizeof(buffer)

    def decode(self, content: bytes, offset: int) -> tuple[int, bytes] | None:
        if content is not self._content:
            ctypes.memmove(self._page, content, PAGE)
            self._content = content
        op, code = ctypes.addressof(self._op), ctypes.addressof(self._page) + offset
        if self._decode(self._machine, op, code, min(PAGE - offset, _LONGEST), 1) < 0:
            return None
        raw = self._op.raw
        return int.from_bytes(raw[:8], "little"), raw[_OPERANDS_AT : _OPERANDS_AT + OPERANDS.size]


class GuestCode:
    def __init__(self, processor: Processor, decoder: Decoder, heat: Native, *, mode: int, patience: int) -> None:
        self._memory, self._machine = processor.memory, processor.machine
        self._address = processor.machine_address
        self._decoder, self._heat, self._patience = decoder, heat, patience
        self._need_fetch = FETCH_USER if mode & MODE_USER else FETCH_KERNEL

    def page(self, linear: int) -> int | None:
        at = linear & M32
        entry = entry_of(self._machine, at)
        return page_of(self._machine, entry, at) if entry & self._need_fetch else None

    def content(self, backing: int) -> bytes:
        return bytes(self._memory.view[backing : backing + PAGE])

    def decode(self, content: bytes, offset: int) -> tuple[int, bytes] | None:
        return self._decoder.decode(content, offset)

    def warmth(self, backing: int) -> float:
        return self._heat(self._address, backing | WIDE_KEY) / self._patience


class EverythingIsWarm(GuestCode):
    """For tests: take in whatever can be reached."""

    def warmth(self, backing: int) -> float:
        return 1.0
