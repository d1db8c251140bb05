"""Machineries with which no domain can be made: what does the agent say?"""

import threading
from pathlib import Path

from node.domain.machinery import Progress
from tests.support.twin_machine import TwinMachinery


class DiesWarming(TwinMachinery):
    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        raise RuntimeError("the interpreter does not compile")


class StartsThreads(TwinMachinery):
    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()


DIES_WARMING = DiesWarming()
STARTS_THREADS = StartsThreads()
