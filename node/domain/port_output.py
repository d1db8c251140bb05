"""What guests write to single I/O ports for whoever looks on: debug consoles, progress codes.

Each such port's bytes go, as they are and one at a time, to a file or to standard error: nothing of them is lost when
the machine ends however it may. The devices at these ports, if there are any, do not notice.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import RawIOBase
from pathlib import Path

from node.devices.platform import SERIAL_DATA
from node.devices.ports import Listeners


class BadPortOutput(ValueError):
    """One sentence for the user."""


@dataclass(frozen=True, slots=True)
class PortOutput:
    """`file` None: standard error."""

    port: int
    file: Path | None


def parse(text: str) -> PortOutput:
    """`PORT[,FILE]`."""
    number, comma, file = text.partition(",")
    try:
        port = int(number, 0)
    except ValueError:
        raise BadPortOutput(f"{number!r} is no I/O port; 0xe9 is") from None
    if not 0 <= port <= 0xFFFF:
        raise BadPortOutput(f"{number} is out of range: 0 to 0xffff is possible")
    if port == SERIAL_DATA:
        raise BadPortOutput(f"{number} is the first serial port, whose output is shown anyway")
    if comma and not file:
        raise BadPortOutput(f"behind the comma of {text!r} there is no file")
    return PortOutput(port, Path(file) if file else None)


def open_all(outputs: Sequence[PortOutput]) -> Listeners:
    """Raises OSError for a file that cannot be written. One file may take several ports' bytes."""
    files = {output.file: _open(output.file) for output in outputs}
    return {output.port: partial(_put, files[output.file].write) for output in outputs}


def _open(file: Path | None) -> RawIOBase:
    return open(sys.stderr.fileno() if file is None else file, "wb", buffering=0, closefd=file is not None)


def _put(write: Callable[[bytes], int | None], byte: int) -> None:
    write(bytes([byte]))
