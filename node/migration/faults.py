"""A link with one planned fault in what it sends: cut at an octet, flip a bit, or stall.

The octets before the fault arrive as they would have; so a test can walk a fault over every octet of a migration. With
no fault it only counts, which is how the walk learns where to end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from node.migration.errors import LinkLost
from node.migration.link import Clock, Link


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens when octet `octet` (from 0) is to be sent."""

    kind: Literal["cut", "flip", "stall"]
    octet: int
    bit: int = 0  # for flip
    stall_ns: int = 0  # for stall: how long the octet is held back


class Faulty:
    """A link on which `fault` happens once."""

    def __init__(self, inner: Link, clock: Clock, fault: Fault | None = None) -> None:
        self._inner = inner
        self._clock = clock
        self._fault = fault
        self.octets = 0

    async def send(self, buffers: Sequence[memoryview | bytes]) -> None:
        size = sum(map(len, buffers))
        fault = self._fault
        if fault is None or not self.octets <= fault.octet < self.octets + size:
            self.octets += size
            await self._inner.send(buffers)
            return
        data = bytearray(b"".join(buffers))
        at = fault.octet - self.octets
        self.octets += size
        self._fault = None
        await self._strike(fault, data, at)

    async def _strike(self, fault: Fault, data: bytearray, at: int) -> None:
        if fault.kind == "flip":
            data[at] ^= 1 << fault.bit
            await self._inner.send([bytes(data)])
            return
        await self._inner.send([bytes(data[:at])])
        if fault.kind == "cut":
            await self._inner.close()
            raise LinkLost(f"the link was cut before octet {fault.octet}")
        await self._clock.sleep_until(self._clock.now_ns() + fault.stall_ns)
        await self._inner.send([bytes(data[at:])])

    async def receive_into(self, *buffers: memoryview) -> None:
        await self._inner.receive_into(*buffers)

    def readable(self) -> bool:
        return self._inner.readable()

    async def close(self) -> None:
        await self._inner.close()
