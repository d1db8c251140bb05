"""A phase of an algorithm, as data: an algorithm is a tuple of these, run in order by source.py."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from node.migration.outgoing import Outgoing


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    act: Callable[[Outgoing], Awaitable[None]]
    announced: bool = True  # to the observer; the commit speaks for itself
