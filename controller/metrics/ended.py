"""What is counted of migrations that have ended: a pure function of their records in the journal.

At its start the controller counts every ended migration of the journal, later each one when it ends, so the counters
go on where an earlier life of the process left them. Every label value that can occur is there from the beginning,
with 0: else the first migration of its kind would not be seen as an increase.

    of all                  how they ended; pages and bytes sent; how many rounds (if any ended)
    of those that succeeded downtime, its parts and whether it kept the limit; total time and its phases
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram

from controller.lifecycle import ENDED, MigrationState
from controller.migrations import ALGORITHMS
from controller.rows import MigrationRow
from protos import common_pb2

PAGE_BYTES = 4096
NS_A_SECOND = 1e9
PARTS = ("stop", "last_pages", "state", "transfer", "load", "verify", "commit", "resume", "unattributed")
PHASES = ("setup", "pre-copy", "stop-and-copy", "commit", "resume")
DOWNTIME_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
DURATION_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
PHASE_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
ROUNDS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30)


class EndedMigrations:
    """The counters and histograms; `count` takes each ended migration once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"limosa_migration{name}", what, ("algorithm", *labels), registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(
                f"limosa_migration{name}", what, ("algorithm", *labels), buckets=buckets, registry=registry
            )

        self._results = counter("s_total", "Migrations that have ended, by how.", "result")
        self._downtime = histogram(
            "_downtime_seconds", "How long the guest stood still, of migrations that succeeded.", DOWNTIME_S
        )
        self._parts = counter("_downtime_part_seconds_total", "Where the downtime went; the parts sum to it.", "part")
        self._over_limit = counter(
            "_downtime_over_limit_total", "Migrations that succeeded with a longer downtime than they were allowed."
        )
        self._duration = histogram(
            "_duration_seconds", "From the request to the guest running on the target.", DURATION_S
        )
        self._phases = histogram(
            "_phase_duration_seconds", "How long each phase took; the phases sum to the duration.", PHASE_S, "phase"
        )
        self._rounds = histogram("_rounds", "Passes over the memory, of migrations that ended one.", ROUNDS)
        self._bytes = counter(
            "_transferred_bytes_total",
            "Sent by the source: full pages, and all else (marks, headers, state, a round that broke off).",
            "kind",
        )
        self._pages = counter("_transferred_pages_total", "Pages sent with their bytes, or as a mark.", "kind")
        for algorithm in ALGORITHMS:
            self._begin_at_zero(algorithm)

    def count(self, row: MigrationRow) -> None:
        """Take in one migration that has ended."""
        record, algorithm = row.record, row.record.options.algorithm
        self._results.labels(algorithm, row.state.value).inc()
        full = min(record.bytes_sent, record.pages_normal * PAGE_BYTES)
        self._bytes.labels(algorithm, "full").inc(full)
        self._bytes.labels(algorithm, "overhead").inc(record.bytes_sent - full)
        self._pages.labels(algorithm, "full").inc(record.pages_normal)
        self._pages.labels(algorithm, "zero").inc(record.pages_zero)
        if record.rounds:
            self._rounds.labels(algorithm).observe(len(record.rounds))
        if row.state is MigrationState.SUCCEEDED:
            self._count_success(algorithm, record)

    def _count_success(self, algorithm: str, record: common_pb2.MigrationRecord) -> None:
        self._downtime.labels(algorithm).observe(record.downtime_ns / NS_A_SECOND)
        self._duration.labels(algorithm).observe(record.total_ns / NS_A_SECOND)
        for part in record.downtime_parts:
            name = part.name if part.name in PARTS else "unattributed"  # a newer node's word must not make a label
            self._parts.labels(algorithm, name).inc(part.duration_ns / NS_A_SECOND)
        if record.downtime_ns > record.options.max_downtime_ns:
            self._over_limit.labels(algorithm).inc()
        for phase, duration_ns in phases_of(record):
            self._phases.labels(algorithm, phase).observe(duration_ns / NS_A_SECOND)

    def _begin_at_zero(self, algorithm: str) -> None:
        for state in sorted(ENDED):
            self._results.labels(algorithm, state.value)
        for part in PARTS:
            self._parts.labels(algorithm, part)
        for kind in ("full", "overhead"):
            self._bytes.labels(algorithm, kind)
        for kind in ("full", "zero"):
            self._pages.labels(algorithm, kind)
        for phase in PHASES:
            if (algorithm, phase) != ("stop-and-copy", "pre-copy"):
                self._phases.labels(algorithm, phase)
        for family in (self._downtime, self._over_limit, self._duration, self._rounds):
            family.labels(algorithm)


def phases_of(record: common_pb2.MigrationRecord) -> Iterator[tuple[str, int]]:
    """The phases of a migration that succeeded, in ns; they sum to its total time.

    What the source did not call its setup and the guest did not stand still for, it ran and was copied; with
    stop-and-copy nothing is copied then, and that time belongs to the setup, too.
    """
    parts = {part.name: part.duration_ns for part in record.downtime_parts}
    commit, resume = parts.get("commit", 0), parts.get("resume", 0)
    running = max(0, record.total_ns - record.downtime_ns)
    live = record.options.algorithm != "stop-and-copy"
    setup = min(record.setup_ns, running) if live else running
    yield "setup", setup
    if live:
        yield "pre-copy", running - setup
    yield "stop-and-copy", record.downtime_ns - commit - resume
    yield "commit", commit
    yield "resume", resume
