"""Device state as data: a numpy record of shape (1,), and a quick live view of it.

A device declares its registers once, as an annotated class that is never instantiated:

    class ScratchRecord:
        latch: U8  # last byte written

`allocate(ScratchRecord)` gives the record (what a snapshot copies) and a view whose attributes read and write the
record's bytes. The view is a ctypes structure over the same buffer: 50 ns an access against 300-400 ns through numpy's
own scalars, and a store wraps to the field's width as a register does. The layout is packed, little-endian, without
padding, so equal state is equal bytes. Overwriting the array in place (`array[...] = other`) is loading a snapshot.
"""

import ctypes
from typing import Annotated, Any, Protocol, TypeVar, cast, get_type_hints

import numpy as np
import numpy.typing as npt

Record = npt.NDArray[np.void]
Layout = TypeVar("Layout")

NEVER = (1 << 63) - 1
"""A guest time that never comes: the value of a time field with nothing planned."""


class Cells(Protocol):
    """A field of several registers."""

    def __getitem__(self, index: int) -> int: ...
    def __setitem__(self, index: int, value: int) -> None: ...
    def __len__(self) -> int: ...


U8 = Annotated[int, ctypes.c_uint8]
U16 = Annotated[int, ctypes.c_uint16]
U32 = Annotated[int, ctypes.c_uint32]
I64 = Annotated[int, ctypes.c_int64]


def cells(element: Any, count: int) -> Any:
    """The storage of `count` registers, for `Annotated[Cells, cells(U8, 16)]`."""
    return element.__metadata__[0] * count


def allocate(layout: type[Layout]) -> tuple[Record, Layout]:
    """A zeroed record laid out as `layout` says, and the live view of it."""
    structure = _structure(layout)
    array = np.zeros(1, np.dtype(structure))
    return array, cast(Layout, structure.from_buffer(array.data))


def _structure(layout: type[Any]) -> type[ctypes.Structure]:
    hints = get_type_hints(layout, include_extras=True)
    fields = [(name, hint.__metadata__[0]) for name, hint in hints.items()]
    return type(layout.__name__, (ctypes.LittleEndianStructure,), {"_pack_": 1, "_fields_": fields})
