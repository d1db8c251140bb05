"""A conversation with the controller: one channel, blocking calls, errors as ControllerError.

gRPC and the protocol's messages are imported here and nowhere at start-up, so that `limosa --help` does not pay for
them. Unary calls carry a deadline; streams do not, they end by message.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controller.cli.state import controller_address
from controller.errors import METADATA_KEY, ControllerError, ControllerUnreachable, error_named
from service import keepalive

CALL_TIMEOUT_S = 30.0
CREATE_TIMEOUT_S = 310.0  # fetching a large image on a slow link, or the first compile of the interpreter
OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    *keepalive.CLIENT_OPTIONS,
)


class Session:
    """ControllerService at one address."""

    def __init__(self, address: str) -> None:
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        import grpc

        from protos import controller_pb2_grpc

        self.address = address
        self._rpc_error = grpc.RpcError
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._stub: Any = controller_pb2_grpc.ControllerServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def call(self, method: str, request: Any, *, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """One question, one answer."""
        try:
            return getattr(self._stub, method)(request, timeout=timeout_s)
        except self._rpc_error as error:
            raise self._translated(error) from error

    def stream(self, method: str, request: Any) -> Iterator[Any]:
        """The messages of a streaming answer."""
        return self.messages(self.begin(method, request))

    def begin(self, method: str, request: Any) -> Any:
        """A streaming call that can be cancelled; `request` may itself be an iterator of messages."""
        return getattr(self._stub, method)(request)

    def messages(self, call: Any) -> Iterator[Any]:
        """What comes in on a call that was begun."""
        try:
            yield from call
        except self._rpc_error as error:
            raise self._translated(error) from error
        finally:
            call.cancel()

    def close(self) -> None:
        self._channel.close()

    def _translated(self, error: Any) -> ControllerError:
        code, details = error.code().name, error.details() or "no details"
        metadata = dict(error.trailing_metadata() or ())
        if METADATA_KEY not in metadata and code in ("UNAVAILABLE", "CANCELLED"):
            return ControllerUnreachable(
                f"no controller answers at {self.address} ({details}); `limosa status` shows what is left of the "
                "cluster, `limosa up` repairs it"
            )
        return error_named(str(metadata.get(METADATA_KEY, "")), code, details)


@contextmanager
def connect(flag: str | None) -> Iterator[Session]:
    """A session with the controller that the flag, the environment or the state directory names."""
    session = Session(controller_address(flag))
    try:
        yield session
    finally:
        session.close()
