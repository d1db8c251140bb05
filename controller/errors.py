"""What can go wrong in the control plane, and the one table: exception ↔ gRPC code ↔ exit status of `limosa`.

Each exception carries one sentence (what happened, where the VM is, what to do next). The API raises them, `api.py`
turns them into a status by `OUTCOMES`, the CLI turns the status back into the exception and the exception into its
exit status. The class travels in the trailing metadata `limosa-error`, so that "a node does not answer" and "the
controller does not answer", both UNAVAILABLE, stay apart. This file imports nothing, so the CLI can start fast.
"""

from dataclasses import dataclass

METADATA_KEY = "limosa-error"


class ControllerError(Exception):
    """Root of everything this package raises on purpose; `str()` is a sentence for the user."""


class Usage(ControllerError):
    """The command line cannot be understood."""


class NotFound(ControllerError):
    """No such VM, node, job or image."""


class AlreadyExists(ControllerError):
    """The name is taken."""


class InvalidArgument(ControllerError):
    """A value that no state of the cluster would make acceptable."""


class Refused(ControllerError):
    """A pre-check says no in the present state; nothing was changed."""


class Exhausted(ControllerError):
    """A host has not enough of something (memory, ports); nothing was changed."""


class JournalFull(Exhausted):
    """The journal cannot be written, so what it was to record has not happened, or is recorded later."""


class NodeUnreachable(ControllerError):
    """A node's agent did not answer; what it did with the request is not known."""


class StorageUnreachable(ControllerError):
    """The image store does not answer; VMs and migrations do without it."""


class Timeout(ControllerError):
    """The answer did not come within the bound."""


class Unauthenticated(ControllerError):
    """The cluster's token was missing or wrong."""


class Internal(ControllerError):
    """A bug of ours, or an answer nobody expected."""


class MigrationFailed(ControllerError):
    """The migration failed; the VM runs on its source."""


class MigrationCancelled(ControllerError):
    """The migration was cancelled; the VM runs on its source."""


class Unconverged(ControllerError):
    """The guest dirtied memory faster than it could be sent; the VM runs on its source."""


class Lost(ControllerError):
    """The VM is lost, or nobody can say where it runs."""


class ControllerUnreachable(ControllerError):
    """Nothing answers at the controller's address."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row: how an exception looks on the wire and to the shell."""

    error: type[ControllerError]
    code: str  # name of the grpc.StatusCode
    exit_status: int


EXIT_OK = 0
EXIT_INTERRUPTED = 130

OUTCOMES: tuple[Outcome, ...] = (
    Outcome(Usage, "INVALID_ARGUMENT", 2),
    Outcome(NotFound, "NOT_FOUND", 3),
    Outcome(AlreadyExists, "ALREADY_EXISTS", 4),
    Outcome(InvalidArgument, "INVALID_ARGUMENT", 4),
    Outcome(Refused, "FAILED_PRECONDITION", 4),
    Outcome(Exhausted, "RESOURCE_EXHAUSTED", 4),
    Outcome(JournalFull, "RESOURCE_EXHAUSTED", 4),
    Outcome(MigrationFailed, "ABORTED", 5),
    Outcome(MigrationCancelled, "CANCELLED", 6),
    Outcome(Unconverged, "ABORTED", 7),
    Outcome(Lost, "DATA_LOSS", 8),
    Outcome(ControllerUnreachable, "UNAVAILABLE", 69),
    Outcome(NodeUnreachable, "UNAVAILABLE", 1),
    Outcome(StorageUnreachable, "UNAVAILABLE", 1),
    Outcome(Timeout, "DEADLINE_EXCEEDED", 1),
    Outcome(Unauthenticated, "UNAUTHENTICATED", 1),
    Outcome(Internal, "INTERNAL", 1),
    Outcome(ControllerError, "UNKNOWN", 1),
)

# A peer that is not Limosa's controller (a node, a proxy) sends a bare code: the first class here that fits.
BARE_CODES: dict[str, type[ControllerError]] = {
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "INVALID_ARGUMENT": InvalidArgument,
    "FAILED_PRECONDITION": Refused,
    "ABORTED": Refused,
    "RESOURCE_EXHAUSTED": Exhausted,
    "UNAVAILABLE": NodeUnreachable,
    "DEADLINE_EXCEEDED": Timeout,
    "UNAUTHENTICATED": Unauthenticated,
}


def outcome_of(error: ControllerError) -> Outcome:
    """The row of an exception; a subclass that has none of its own takes its nearest parent's."""
    rows = {row.error: row for row in OUTCOMES}
    return next(rows[kind] for kind in type(error).__mro__ if kind in rows)


def error_named(name: str, code: str, sentence: str) -> ControllerError:
    """The exception that a status stands for: by its class name if the peer sent one, else by its code."""
    by_name = {row.error.__name__: row.error for row in OUTCOMES}
    return by_name.get(name, BARE_CODES.get(code, Internal))(sentence)
