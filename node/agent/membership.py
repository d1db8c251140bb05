"""Keeps this node a member of its cluster: one Join call to the controller that lives as long as both do.

The controller's first notice tells where the storage service is. When the call ends, for whatever reason, the node says
so and joins again, after a pause that doubles up to `PAUSE_MOST_S`; its VMs run on meanwhile.
"""

import asyncio
import random
from collections.abc import Callable

import grpc
import structlog

from protos import controller_pb2, controller_pb2_grpc

log = structlog.get_logger()

PAUSE_FIRST_S = 0.2
PAUSE_MOST_S = 5.0
TOKEN_KEY = "limosa-token"
CHANNEL_OPTIONS = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.enable_retries", 0),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


async def keep_joined(
    controller: str,
    token: str,
    request: controller_pb2.JoinRequest,
    on_notice: Callable[[controller_pb2.ControllerNotice], None],
) -> None:
    """Join, and join again; until cancelled."""
    pause_s = PAUSE_FIRST_S
    async with grpc.aio.insecure_channel(controller, options=CHANNEL_OPTIONS) as channel:
        stub = controller_pb2_grpc.MembershipServiceStub(channel)  # type: ignore[no-untyped-call]
        while True:
            try:
                async for notice in stub.Join(request, metadata=((TOKEN_KEY, token),), wait_for_ready=False):
                    if pause_s != 0:
                        log.info("cluster.joined", controller=controller, cluster=notice.cluster_id)
                    pause_s = 0
                    on_notice(notice)
                why = "the controller ended the call"
            except grpc.aio.AioRpcError as error:
                why = f"{error.code().name}: {error.details()}"
            pause_s = min(max(2 * pause_s, PAUSE_FIRST_S), PAUSE_MOST_S)
            wait_s = pause_s * random.uniform(0.75, 1.25)
            log.warning("cluster.not_joined", controller=controller, why=why, again_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)
