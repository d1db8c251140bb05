"""What a domain tells of its machine and of its process. Reading it never stops the guest.

The guest's thread writes the counters and the event loop reads them, each a whole machine word; a figure that is some
instructions old is as good as a new one. Consistent state is what `Guest.held` is for, and nobody needs it here.
"""

import os
import time
from pathlib import Path

from node.domain.guest import Guest
from protos.node_pb2 import VmInfo

EVERY_S = 1.0  # while the guest runs, unasked
PAGE_BYTES = os.sysconf("SC_PAGESIZE")
STATM = Path("/proc/self/statm")  # in pages: total, resident, …


def figures(guest: Guest) -> VmInfo:
    """The machine's description as it is now."""
    machine = guest.machine
    return VmInfo(
        instructions=machine.instructions,
        guest_time_ns=machine.now,
        console_bytes=machine.console.total,
        pid=os.getpid(),
        exit_status=guest.stopped.result().exit_status if guest.stopped.done() else 0,
        counters=machine.stats(),
        cpu_ns=time.process_time_ns(),
        resident_bytes=int(STATM.read_text().split()[1]) * PAGE_BYTES,
        dirty_pages=guest.dirty_pages_found,
    )


def news(told: VmInfo, now: VmInfo) -> bool:
    """Has anything happened? Processor time alone is what looking costs."""
    same_but_for_time = VmInfo()
    same_but_for_time.CopyFrom(now)
    same_but_for_time.cpu_ns = told.cpu_ns
    return same_but_for_time != told
