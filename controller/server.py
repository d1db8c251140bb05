"""The gRPC server: both services, health and reflection, one port, a graceful end.

No SO_REUSEPORT: a port that somebody else listens on is an error, not a place shared by chance. The end: health says
NOT_SERVING, nodes' Join streams end by message, then calls under way get `GRACE_S`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from controller.api import ControllerService, MembershipService
from controller.cluster import Cluster
from controller.errors import Exhausted
from protos import controller_pb2, controller_pb2_grpc
from service import keepalive

GRACE_S = 1.0
OPTIONS = (("grpc.so_reuseport", 0), *keepalive.SERVER_OPTIONS)
SERVICES = tuple(
    controller_pb2.DESCRIPTOR.services_by_name[name].full_name for name in ("ControllerService", "MembershipService")
)


class Server:
    """A cluster, served. `metrics_address` is what it tells of the endpoint beside it ("": there is none)."""

    def __init__(
        self, cluster: Cluster, *, interceptors: Sequence[grpc.aio.ServerInterceptor] = (), metrics_address: str = ""
    ) -> None:
        self._cluster = cluster
        self._health: Any = health.aio.HealthServicer()
        self._server: Any = grpc.aio.server(options=OPTIONS, interceptors=interceptors)
        add_controller: Any = controller_pb2_grpc.add_ControllerServiceServicer_to_server
        add_membership: Any = controller_pb2_grpc.add_MembershipServiceServicer_to_server
        add_controller(ControllerService(cluster, metrics_address=metrics_address), self._server)
        add_membership(MembershipService(cluster), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self, listen: str) -> str:
        """Listen on host:port (port 0: any); returns the address as it came out."""
        host, _, _ = listen.rpartition(":")
        try:
            port = self._server.add_insecure_port(listen)
        except RuntimeError as error:
            raise Exhausted(f"cannot listen on {listen}: the port is in use or the address is not ours") from error
        self._cluster.start()
        await self._server.start()
        for service in ("", *SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{port}"

    async def stop(self) -> None:
        await self._health.enter_graceful_shutdown()
        self._cluster.membership.close()
        await self._server.stop(GRACE_S)
        await self._cluster.close()


def write_address(path: Path, address: str) -> None:
    """Tell whoever waits for it, atomically."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(address + "\n")
    draft.replace(path)
