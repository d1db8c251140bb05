"""The host's own x87 as an oracle: one instruction, run natively from a given register state to the state after it.

State is the 108-byte image of FRSTOR and FNSAVE (32-bit protected-mode format, which 64-bit code uses too). A memory
operand is addressed by rdx. Pending unmasked exceptions are never delivered: FNSAVE does not wait and leaves a clean
unit behind.
"""

import ctypes
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

IMAGE_BYTES = 108


@dataclass(frozen=True, slots=True)
class Registers:
    """`stack[i]` is ST(i) as 80 bits; bit i of `filled` is physical register Ri."""

    control: int
    status: int
    filled: int
    stack: tuple[int, ...]
    eflags: int = 0

    @property
    def top(self) -> int:
        return self.status >> 11 & 7

    def image(self) -> bytes:
        tags = sum(3 << 2 * i for i in range(8) if not self.filled >> i & 1)
        words = struct.pack("<7I", self.control, self.status, tags, 0, 0, 0, 0)
        return words + b"".join(value.to_bytes(10, "little") for value in self.stack)


def registers_of(image: bytes, eflags: int) -> Registers:
    control, status, tags = (word & 0xFFFF for word in struct.unpack_from("<3I", image))
    filled = sum(1 << i for i in range(8) if tags >> 2 * i & 3 != 3)
    stack = tuple(int.from_bytes(image[28 + 10 * i : 38 + 10 * i], "little") for i in range(8))
    return Registers(control, status, filled, stack, eflags)


def run(instruction: bytes, before: Registers, memory: bytearray | None = None) -> Registers:
    """The state after `instruction`, whose memory operand (modrm 00 reg 010) is `memory`, changed in place."""
    image, after = run_image(instruction, before.image(), before.eflags, memory)
    return registers_of(image, after)


def run_image(instruction: bytes, image: bytes, eflags: int = 0, memory: bytearray | None = None) -> tuple[bytes, int]:
    operand = (ctypes.c_char * 256).from_buffer_copy(bytes(memory or b"").ljust(256, b"\0"))
    after = ctypes.create_string_buffer(IMAGE_BYTES)
    flags = _stub(instruction)(image, after, operand, eflags | 2)
    if memory is not None:
        memory[:] = operand.raw[: len(memory)]
    return after.raw, int(flags) & 0x8D5


@cache
def _stub(instruction: bytes) -> Callable[..., int]:
    """f(image in rdi, image after in rsi, operand in rdx, EFLAGS in rcx) -> EFLAGS after."""
    before, after = bytes.fromhex("dd27 51 9d"), bytes.fromhex("9c 58 dd36 c3")
    global _used
    code = before + instruction + after
    _PAGE[_used : _used + len(code)] = code
    address = ctypes.addressof(ctypes.c_char.from_buffer(_PAGE)) + _used
    _used += (len(code) + 15) & ~15
    prototype = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64)
    return prototype(address)


_PAGE = mmap.mmap(-1, 1 << 20, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
_used = 0
