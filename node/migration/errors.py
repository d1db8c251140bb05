"""Why a migration did not happen: one small tree, one class a kind.

Every error carries a sentence. `kind` is the word that the agent and the controller pass on. All of these are raised
before the commit, so in every case the VM runs on at the source; `told` adds that to the sentence.
"""

from typing import ClassVar


class MigrationError(Exception):
    """A migration that failed before its commit."""

    kind: ClassVar[str] = "internal"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class LinkLost(MigrationError):
    """The page channel ended, or nothing moved on it for too long."""

    kind = "link-lost"


class StreamCorrupt(MigrationError):
    """The bytes are not a migration stream: checksum, order, range or count is wrong."""

    kind = "stream-corrupt"


class TargetRefused(MigrationError):
    """The target does not take this machine: another version, another size, another migration."""

    kind = "target-refused"


class VerifyMismatch(MigrationError):
    """What the target holds is not what the source held at the pause."""

    kind = "verify-mismatch"


class Cancelled(MigrationError):
    """Somebody asked for the migration to end, or the commit authority said no."""

    kind = "cancelled"


class Unconverged(MigrationError):
    """The policy gave up: the guest writes faster than the link carries."""

    kind = "unconverged"


class Internal(MigrationError):
    """A bug or a failing machine at one of the two ends."""

    kind = "internal"


KINDS: tuple[type[MigrationError], ...] = (
    LinkLost,
    StreamCorrupt,
    TargetRefused,
    VerifyMismatch,
    Cancelled,
    Unconverged,
    Internal,
)
"""In the order of their numbers on the wire, which begin at 1."""


def as_migration_error(error: BaseException) -> MigrationError:
    """The same failure in this package's words: a stranger is a bug, a thrown-in exit is a cancel."""
    if isinstance(error, MigrationError):
        return error
    if isinstance(error, Exception):
        return Internal(f"{type(error).__name__}: {error}")
    return Cancelled(f"the migration was interrupted ({type(error).__name__})")
