"""Why a node refuses or fails what it was asked: facts and one sentence, for the caller.

`node.agent.service` turns each class into a gRPC status, in one table. Nothing here knows gRPC.
"""


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
