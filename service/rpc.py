"""What each gRPC server counts of its calls: how many, how they ended, how long they took.

    limosa_grpc_server_handled_total{method, code}      every call, when it has ended
    limosa_grpc_server_handling_seconds{method}         unary answers only: a stream lasts as long as its reader

`method` is "Service/Method" of the methods that the server has; whatever else is asked for counts as "unknown".
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Accounting(grpc.aio.ServerInterceptor):
    """Hand it to `grpc.aio.server(interceptors=...)`, first."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._handled = Counter(
            "limosa_grpc_server_handled_total", "Calls that have ended.", ("method", "code"), registry=registry
        )
        self._seconds = Histogram(
            "limosa_grpc_server_handling_seconds",
            "Time from a unary call's arrival to its answer.",
            ("method",),
            buckets=SECONDS,
            registry=registry,
        )

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None:
            self._handled.labels("unknown", grpc.StatusCode.UNIMPLEMENTED.name).inc()
            return None
        method = "/".join(str(details.method).rpartition(".")[2].split("/")[-2:])
        make = {
            (False, False): (grpc.unary_unary_rpc_method_handler, "unary_unary", self._answer),
            (False, True): (grpc.unary_stream_rpc_method_handler, "unary_stream", self._stream),
            (True, False): (grpc.stream_unary_rpc_method_handler, "stream_unary", self._answer),
            (True, True): (grpc.stream_stream_rpc_method_handler, "stream_stream", self._stream),
        }[handler.request_streaming, handler.response_streaming]
        wrapped, attribute, around = make
        return wrapped(
            around(method, getattr(handler, attribute)),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _answer(self, method: str, call: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        seconds = self._seconds.labels(method)

        async def counted(request: Any, context: Any) -> Any:
            began = time.perf_counter()
            raised: BaseException | None = None
            try:
                return await call(request, context)
            except BaseException as error:
                raised = error
                raise
            finally:
                seconds.observe(time.perf_counter() - began)
                self._count(method, context, raised)

        return counted

    def _stream(self, method: str, call: Callable[[Any, Any], Any]) -> Callable[[Any, Any], AsyncIterator[Any]]:
        """A handler is an async generator, or a coroutine that writes by `context.write`."""

        async def counted(request: Any, context: Any) -> AsyncIterator[Any]:
            raised: BaseException | None = None
            try:
                answers = call(request, context)
                if hasattr(answers, "__aiter__"):
                    async for answer in answers:
                        yield answer
                else:
                    await answers
            except BaseException as error:
                raised = error
                raise
            finally:
                self._count(method, context, raised)

        return counted

    def _count(self, method: str, context: Any, raised: BaseException | None) -> None:
        """What the client sees is what the handler set; failing that, what its way out means."""
        if isinstance(raised, asyncio.CancelledError | GeneratorExit):
            name = grpc.StatusCode.CANCELLED.name
        elif context.code():
            name = _name(context.code())
        else:
            name = (grpc.StatusCode.OK if raised is None else grpc.StatusCode.UNKNOWN).name
        self._handled.labels(method, name).inc()


def _name(code: Any) -> str:
    """A context's code is a StatusCode, or its number."""
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((known.name for known in grpc.StatusCode if known.value[0] == code), str(code))
