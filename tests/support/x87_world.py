"""A processor with flat segments and two MiB of memory, for one x87 instruction at a time, in plain Python.

`step` decodes bytes with the real decoder and calls the semantic, as the interpreter does.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from node.ia32.decode import decode
from node.ia32.decoder_table import decoder_table
from node.ia32.flags import set_explicit, status
from node.ia32.handlers import handlers
from node.ia32.state import ATTR_D, CPU, CR0_NE, CR0_PE, CS, EDX, MACHINE, OP, Cpu
from node.jitted import new_record
from node.memory.ram import PAGE
from tests.support.native_x87 import Registers

MEMORY = 2 << 20
CODE, OPERAND = 0x18_0000, 0x18_1000  # where EIP and EDX point


def _array(count: int, kind: type) -> npt.NDArray[Any]:
    return np.zeros(count, kind)


@dataclass
class World:
    kept: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cpu_array, self.c = new_record(CPU)
        self.machine_array, self.m = new_record(MACHINE)
        room = _array(MEMORY + PAGE, np.uint8)
        before = -room.ctypes.data % PAGE
        self.ram = room[before : before + MEMORY]
        pages = MEMORY >> 12
        self._point("ram", self.ram)
        self._point("tlb", _array(1 << 20, np.int64))
        self._point("tlb_filled", _array(1 << 16, np.uint32))
        self._point("dirty", _array(pages, np.uint8))
        self._point("code", _array(pages, np.uint8))
        self._point("decode_buffer", _array(16, np.uint8))
        self._point("low_map", np.arange(256, dtype=np.int64) << 12 | 3)
        self._point("encodings", decoder_table())
        self._point("handlers", np.arange(len(handlers()), dtype=np.int64))
        m, c = self.m, self.c
        m.cpu_address = self.cpu_array.ctypes.data
        m.ram_bytes = MEMORY
        m.rom_gpa = 1 << 32
        m.stack_mask = 0xFFFF_FFFF
        m.need_read, m.need_write, m.need_fetch = 1, 2, 16
        c.cr0, c.a20_mask, c.fcw = CR0_PE | CR0_NE, 0xFFFF_FFFF, 0x37F
        for seg in range(8):
            m.seg_ok[seg] = 3
            c.limit[seg], c.selector[seg], c.attr[seg] = 0xFFFF_FFFF, 0x18, 0x93 | ATTR_D
        c.selector[CS], c.attr[CS] = 0x10, 0x9B | ATTR_D
        c.eip, c.gpr[EDX] = CODE, OPERAND

    def _point(self, name: str, array: npt.NDArray[Any]) -> None:
        self.kept[name] = array
        setattr(self.m, name, array.ctypes.data)

    def set_registers(self, r: Registers) -> None:
        set_registers(self.c, r)

    def registers(self) -> Registers:
        return get_registers(self.c)

    def step(self, code: bytes, wide: int = 1) -> int:
        """Execute one instruction; the result is 0, or the vector it raised plus 256."""
        text = np.frombuffer(code.ljust(16, b"\0"), np.uint8).copy()
        _, op = new_record(OP)
        length = decode(self.m, op, text.ctypes.data, 16, wide) & 0xFF
        assert length == len(code), (code.hex(), length)
        handler = handlers()[int(op.handler)]
        self.m.fault = self.m.leave = 0
        if handler is None:
            return 256 + 6
        handler.semantic(self.c, self.m, op, *handler.constants)
        return int(self.m.fault)

    def write(self, address: int, data: bytes) -> None:
        self.ram[address : address + len(data)] = np.frombuffer(data, np.uint8)

    def read(self, address: int, size: int) -> bytes:
        return self.ram[address : address + size].tobytes()


def set_registers(c: Cpu, r: Registers) -> None:
    c.fcw, c.fsw, c.ftw = r.control, r.status, r.filled
    set_explicit(c, r.eflags)
    for i, value in enumerate(r.stack):
        at = (r.top + i & 7) * 2
        c.fpu[at], c.fpu[at + 1] = value & (1 << 64) - 1, value >> 64


def get_registers(c: Cpu) -> Registers:
    where = [((c.fsw >> 11) + i & 7) * 2 for i in range(8)]
    stack = tuple(c.fpu[at] | c.fpu[at + 1] << 64 for at in where)
    return Registers(c.fcw, c.fsw, c.ftw, stack, status(c))
