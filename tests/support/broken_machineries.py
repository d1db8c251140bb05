"""Machineries with which no domain can be made: what does the agent say?"""

import threading
import time
from pathlib import Path

from node.domain.machinery import Progress
from tests.support.twin_machine import TwinMachinery


class DiesWarming(TwinMachinery):
    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        raise RuntimeError("the interpreter does not compile")


class StartsThreads(TwinMachinery):
    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class WarmsUntilTold(TwinMachinery):
    """Until there is a file `go` in the state directory."""

    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        while not (cache.parents[1] / "go").exists():
            time.sleep(0.05)


DIES_WARMING = DiesWarming()
STARTS_THREADS = StartsThreads()
WARMS_UNTIL_TOLD = WarmsUntilTold()
