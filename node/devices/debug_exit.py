"""The debug-exit port (as QEMU's isa-debug-exit): four ports, any width; writing v ends the machine with (v << 1) | 1.

The value handed on is v itself. Reads give 0. Stateless: the request lies with the machine's other requests.
"""

from collections.abc import Callable

from node.devices.ports import PortMap

PORTS = 4


class DebugExit:
    def __init__(self, base: int, exit_with: Callable[[int], None]) -> None:
        self._base = base
        self._exit_with = exit_with

    def claim(self, ports: PortMap) -> None:
        ports.claim_wide(self._base, PORTS, self._read, self._write)

    def _read(self, port: int, width: int, now: int) -> int:
        return 0

    def _write(self, port: int, width: int, value: int, now: int) -> bool:
        self._exit_with(value)
        return True
