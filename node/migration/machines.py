"""What a migration asks of a machine, at either end. The domain adapts a real one; twin.py has one in memory."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt

from node.memory.ram import GuestMemory, PageNumbers


class Holder(Protocol):
    """A machine's whole state: memory, and the live records of CPU and devices."""

    @property
    def memory(self) -> GuestMemory: ...

    def records(self) -> Mapping[str, npt.NDArray[Any]]: ...


class SourceMachine(Holder, Protocol):
    """A machine that may run while it is copied.

    On dirty pages, once: `collect_dirty` returns the pages written since the last call (or `start_tracking`), clears
    their marks and protects them again, all before it returns; only then are pages read. So a write during the copy of
    a page is marked again, whatever mixture of old and new octets was read, and the next round repairs it. Read first
    and clear later, and a write between the two is lost.
    """

    def start_tracking(self) -> None: ...

    def collect_dirty(self) -> PageNumbers:
        """May be called while the guest runs: the adapter holds it for the moment."""

    def stop_tracking(self) -> None: ...

    def pause(self) -> None:
        """Returns when no guest instruction executes."""

    def resume(self) -> None: ...


class TargetMachine(Holder, Protocol):
    """A machine that was built and has never run."""

    def loaded(self) -> None:
        """The records were overwritten: drop what was derived from them."""
