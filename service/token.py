"""The cluster's token: who does not send it is not answered.

It travels in the metadata of each call, under `KEY`. Health and reflection stay open: they tell nothing of a cluster,
and those who ask them (a container's health check, a person with grpcurl) have no token.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

KEY = "limosa-token"
OPEN = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection")


def same(given: str, expected: str) -> bool:
    """In a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


class Guard(grpc.aio.ServerInterceptor):
    """Hand it to `grpc.aio.server(interceptors=...)`, after the one that counts. An empty token guards nothing."""

    def __init__(self, token: str, *, refusal: str) -> None:
        """`refusal` is the sentence for those who are turned away."""
        self._token = token
        self._refusal = refusal

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None or not self._token or self._may(details):
            return handler
        return _answering_like(handler, self._refuse)

    def _may(self, details: grpc.HandlerCallDetails) -> bool:
        if str(details.method).strip("/").partition("/")[0] in OPEN:
            return True
        given = dict(details.invocation_metadata or ()).get(KEY, "")
        return isinstance(given, str) and same(given, self._token)

    async def _refuse(self, _: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, self._refusal)


def _answering_like(handler: Any, behaviour: Callable[[Any, Any], Awaitable[None]]) -> Any:
    """A handler of the same kind, so that the caller's stream, if it is one, need not begin before it is answered."""
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)
