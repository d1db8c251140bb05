"""The commit point of a migration: the one place that says whether the source or the target owns the VM.

One function, `decide`, behind one interface. Whoever wants an end (the drive when both sides are ready, a cancel, a
failure, a restart of the controller) asks here, and the first to ask settles it; every later caller is told what
stands, whatever it wanted. So cancel and commit race nowhere else.

The journal decides today: one fsynced transaction is either "committed, owner = target, epoch + 1" or "aborted". The
shared store's compare-and-set of (owner, epoch) takes its place behind the same interface.
"""

from enum import StrEnum
from typing import Protocol

from controller.journal import Journal
from controller.lifecycle import MigrationState

COMMITTED = frozenset({MigrationState.COMMITTED, MigrationState.ACTIVATED, MigrationState.SUCCEEDED})


class Verdict(StrEnum):
    """What a caller wants, and what stands."""

    COMMIT = "commit"
    ABORT = "abort"


class CommitPoint(Protocol):
    """Decides each migration exactly once."""

    async def decide(self, migration_id: str, wanted: Verdict, *, outcome: str = "", error: str = "") -> Verdict:
        """The verdict that stands after this call. `outcome` and `error` say why, should an abort be what stands."""
        ...

    async def revert(self, migration_id: str, error: str) -> Verdict:
        """The target's copy is known to be dead before it was activated: the source owns the VM again, epoch + 1."""
        ...


class JournalCommitPoint:
    """The controller's own journal decides."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def decide(self, migration_id: str, wanted: Verdict, *, outcome: str = "", error: str = "") -> Verdict:
        row = self._journal.decide(migration_id, wanted.value, outcome=outcome, error=error)
        return Verdict.COMMIT if row.state in COMMITTED else Verdict.ABORT

    async def revert(self, migration_id: str, error: str) -> Verdict:
        row = self._journal.decide(migration_id, "revert", outcome="failed", error=error)
        return Verdict.COMMIT if row.state in COMMITTED else Verdict.ABORT
