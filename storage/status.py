"""The one place where storage errors become gRPC statuses and statuses become errors again.

The status code is what any client understands. The trailing metadata `limosa-error` names the exact class, so that our
own client raises on its side what was raised on the service's.
"""

import grpc

from storage import errors
from storage.errors import StorageError

KIND = "limosa-error"
PUSH_KEY, PUSH_KNOWN, PUSH_SEND = "limosa-push", "known", "send"  # what becomes of a push that has announced its digest
_CODES: dict[type[StorageError], grpc.StatusCode] = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.DigestMismatch: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ImageNotFound: grpc.StatusCode.NOT_FOUND,
    errors.BlobNotFound: grpc.StatusCode.NOT_FOUND,
    errors.MissingBlobs: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Damaged: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StoreFull: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StoreUnusable: grpc.StatusCode.FAILED_PRECONDITION,
}
_KINDS = {kind.__name__: kind for kind in _CODES}
_GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


def to_status(error: StorageError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    """Code, sentence and trailing metadata of an error."""
    code = _CODES.get(type(error), grpc.StatusCode.UNKNOWN)
    return code, str(error), ((KIND, type(error).__name__),)


def from_status(address: str, call: grpc.aio.AioRpcError) -> StorageError:
    """The error that a failed call to the service at `address` stands for."""
    sentence = call.details() or "it gave no reason"
    for key, value in call.trailing_metadata() or ():
        if key == KIND and isinstance(value, str) and value in _KINDS:
            return _KINDS[value](sentence)
    if call.code() in _GONE:
        return errors.StorageUnreachable(f"the image service at {address} does not answer: {sentence}")
    return StorageError(f"the image service at {address} failed ({call.code().name}): {sentence}")
