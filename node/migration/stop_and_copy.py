"""Stop-and-copy (suspend, move, resume; VMware's and Xen's oldest): the guest stands still for the whole transfer.

The fewest octets and the simplest protocol; its downtime is its total time. The yardstick for every other algorithm.
"""

from node.migration.phases import Phase
from node.migration.stages import commit, confirm, reserve, stop

PHASES = (
    Phase("setup", reserve),
    Phase("stop-and-copy", stop),  # with nothing sent before, all memory is what remains
    Phase("verify", confirm),
    Phase("commit", commit, announced=False),
)
