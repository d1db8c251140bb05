"""Keeps this node a member of its cluster: one Join call to the controller that lives as long as both do.

The controller's first notice tells where the storage service is. When the call ends, for whatever reason, the node says
so and joins again, after a pause that doubles up to `PAUSE_MOST_S`; its VMs run on meanwhile.

A controller that turns a newcomer away, for its token or its name, will not think better of it: the node ends, before
it has any VM. One that was a member before, and is turned away when it comes back, keeps its VMs and goes on asking.

How soon each side misses the other: `service.keepalive`.
"""

import asyncio
import random
from collections.abc import Callable

import grpc
import structlog

from node.agent.errors import EXIT_NAME_TAKEN, EXIT_WRONG_TOKEN, CannotServe
from protos import controller_pb2, controller_pb2_grpc
from service import keepalive
from service.token import KEY

log = structlog.get_logger()

PAUSE_FIRST_S = 0.2
PAUSE_MOST_S = 5.0
FINAL = {grpc.StatusCode.UNAUTHENTICATED: EXIT_WRONG_TOKEN, grpc.StatusCode.ALREADY_EXISTS: EXIT_NAME_TAKEN}
CHANNEL_OPTIONS = (*keepalive.CLIENT_OPTIONS, ("grpc.enable_retries", 0), ("grpc.max_reconnect_backoff_ms", 2_000))


async def keep_joined(
    controller: str,
    token: str,
    request: controller_pb2.JoinRequest,
    on_notice: Callable[[controller_pb2.ControllerNotice], None],
) -> None:
    """Join, and join again; until cancelled, or refused before the first notice: then CannotServe is raised."""
    pause_s = PAUSE_FIRST_S
    member = False
    async with grpc.aio.insecure_channel(controller, options=CHANNEL_OPTIONS) as channel:
        stub = controller_pb2_grpc.MembershipServiceStub(channel)  # type: ignore[no-untyped-call]
        while True:
            try:
                async for notice in stub.Join(request, metadata=((KEY, token),), wait_for_ready=False):
                    if pause_s != 0:
                        log.info("cluster.joined", controller=controller, cluster=notice.cluster_id)
                    pause_s, member = 0, True
                    on_notice(notice)
                why = "the controller ended the call"
            except grpc.aio.AioRpcError as error:
                if not member and error.code() in FINAL:
                    raise CannotServe(error.details() or "", exit_status=FINAL[error.code()]) from None
                why = f"{error.code().name}: {error.details()}"
            pause_s = min(max(2 * pause_s, PAUSE_FIRST_S), PAUSE_MOST_S)
            wait_s = pause_s * random.uniform(0.75, 1.25)
            log.warning("cluster.not_joined", controller=controller, why=why, again_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)
