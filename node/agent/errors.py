"""Why a node refuses or fails what it was asked: facts and one sentence, for the caller.

`node.agent.service` turns each class into a gRPC status, in one table. Nothing here knows gRPC. Apart from these, why
a node itself ends: `CannotServe`.
"""

EXIT_FAILED = 1
EXIT_WRONG_TOKEN = 77  # as sysexits.h has it: no permission
EXIT_NAME_TAKEN = 78  # and: a configuration error


class CannotServe(Exception):
    """The node cannot begin, or not go on; the text is a sentence for whoever started it."""

    def __init__(self, sentence: str, *, exit_status: int = EXIT_FAILED) -> None:
        super().__init__(sentence)
        self.exit_status = exit_status


class NodeError(Exception):
    """A request that was not carried out; the text is one sentence for its sender."""


class NotFound(NodeError):
    pass


class AlreadyExists(NodeError):
    pass


class InvalidArgument(NodeError):
    pass


class FailedPrecondition(NodeError):
    pass


class ResourceExhausted(NodeError):
    pass


class Unavailable(NodeError):
    """Not now; the same request may succeed later."""


class Internal(NodeError):
    pass


class DomainDied(NodeError):
    """The VM's process ended before it answered."""


BY_KIND: dict[str, type[NodeError]] = {  # of protos/domain.proto's Error
    "invalid-argument": InvalidArgument,
    "failed-precondition": FailedPrecondition,
    "resource-exhausted": ResourceExhausted,
    "internal": Internal,
}
