"""Is a service healthy? One question to its gRPC health service, bounded; and `limosa healthcheck` for the hurried.

Every container asks every few seconds, so this must cost little: no parser of command lines, no protobuf. The question
(grpc.health.v1.HealthCheckRequest) is empty, and the answer has one field, which is compared as it stands on the wire.
"""

import os
from collections.abc import Sequence

from controller.cli.output import message
from controller.cli.state import controller_address
from controller.errors import EXIT_OK, ControllerError, ControllerUnreachable, outcome_of

METHOD = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}
TIMEOUT_S = 3.0
OPTIONS = ("--address", "--controller")


def serving(address: str, *, timeout_s: float) -> bool:
    """True if `address` answers SERVING within the bound; whatever else happens is a no."""
    return not trouble(address, timeout_s=timeout_s)


def trouble(address: str, *, timeout_s: float) -> str:
    """Why the service at `address` is not healthy, in words; "" if it is."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    import grpc

    with grpc.insecure_channel(address, options=(("grpc.enable_retries", 0),)) as channel:
        check = channel.unary_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)
        try:
            answer = check(b"", timeout=timeout_s)
        except grpc.RpcError as error:
            match error.code():
                case grpc.StatusCode.UNAVAILABLE:
                    return f"nothing answers at {address}"
                case grpc.StatusCode.DEADLINE_EXCEEDED:
                    return f"{address} did not answer within {timeout_s:g} s"
                case code:
                    return f"{address} answers, but says nothing of its health ({code.name})"
    return "" if answer == SERVING else f"{address} is not serving: it starts or ends"


def check(address: str) -> None:
    """The command: a message if the service is healthy, else an error."""
    why = trouble(address, timeout_s=TIMEOUT_S)
    if why:
        raise ControllerUnreachable(why)
    message(f"{address} is serving")


def hurried(arguments: Sequence[str]) -> int | None:
    """`limosa healthcheck [--address A | --controller A]` without the rest of `limosa`: the exit status.

    None: these arguments are something else, and the whole command line must look at them.
    """
    given: dict[str, str] = {}
    if not arguments or arguments[0] != "healthcheck":
        return None
    rest = [part for argument in arguments[1:] for part in argument.split("=", 1)]
    for name, value in zip(rest[::2], rest[1::2], strict=False):
        given[name] = value
    if len(rest) % 2 or not set(given) <= set(OPTIONS):
        return None
    try:
        check(given.get("--address") or controller_address(given.get("--controller")))
    except ControllerError as error:
        message(f"limosa: {error}")
        return outcome_of(error).exit_status
    return EXIT_OK
