"""The downtime of one migration and its parts, which sum to it exactly.

    stop last_pages state transfer load verify | commit                     | resume
    measured by the two domains (paused_for)   | controller: ready received | verdict stands
                                               |  … verdict stands          |  … the target has answered

Each span is measured by one clock, the one of the side that waits; no two hosts' clocks are ever subtracted. The sum is
the definition: `downtime_ns` is recomputed whenever a part is added. Should the domains' parts fall short of their own
`paused_for_ns`, the rest stands as a part named `unattributed`, so that nothing is hidden.
"""

from protos import common_pb2, node_pb2


def take_ready(record: common_pb2.MigrationRecord, ready: node_pb2.ReadyToCommit) -> None:
    """The figures of the source's ready_to_commit, as the first parts of the downtime."""
    del record.downtime_parts[:]
    record.downtime_parts.extend(ready.parts)
    rest = ready.paused_for_ns - sum(part.duration_ns for part in ready.parts)
    if rest > 0:
        record.downtime_parts.add(name="unattributed", duration_ns=rest)
    record.downtime_ns = sum(part.duration_ns for part in record.downtime_parts)
    record.digest = ready.digest
    record.setup_ns = ready.setup_ns
    record.bytes_sent = ready.bytes_sent
    record.pages_normal = ready.pages_normal
    record.pages_zero = ready.pages_zero


def add_part(record: common_pb2.MigrationRecord, name: str, duration_ns: int) -> None:
    """Add (or correct) one part; the whole follows."""
    for existing in record.downtime_parts:
        if existing.name == name:
            existing.duration_ns = duration_ns
            break
    else:
        record.downtime_parts.add(name=name, duration_ns=duration_ns)
    record.downtime_ns = sum(entry.duration_ns for entry in record.downtime_parts)


def part(record: common_pb2.MigrationRecord, name: str) -> int:
    """The duration of one part; 0 if it is not there."""
    return next((entry.duration_ns for entry in record.downtime_parts if entry.name == name), 0)
