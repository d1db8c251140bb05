"""Assembles a node: template, hosting, the gRPC server, membership; runs until SIGTERM or SIGINT, and ends in order.

The end: health says NOT_SERVING, the server finishes what it began, every domain process and the template are ended
and reaped. A node that is killed instead leaves nothing either: each of those ends with its channel to this process.
"""

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import grpc
import psutil
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from node.agent.blobs import BlobCache, Fetch
from node.agent.errors import CannotServe
from node.agent.hosting import Hosting
from node.agent.membership import keep_joined
from node.agent.migrations import Migrations
from node.agent.service import NodeService
from node.agent.template import Template
from node.metrics import NodeCollector, start_histogram
from node.migration.wire import STREAM_VERSION
from protos import controller_pb2, node_pb2, node_pb2_grpc
from service import keepalive
from service.endpoint import CannotListen, Endpoint
from service.registry import new_registry
from service.rpc import Accounting
from service.token import Guard

log = structlog.get_logger()

GRACE_S = 2.0
SERVICE = node_pb2.DESCRIPTOR.services_by_name["NodeService"].full_name
SERVER_OPTIONS = (("grpc.so_reuseport", 0), *keepalive.SERVER_OPTIONS)


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Everything a node is told; `python -m node` reads it from its arguments."""

    name: str
    directory: Path  # the node's own, below the state directory
    listen_host: str
    listen_port: int
    advertise_host: str
    pages_host: str  # where target domains listen for the page channel
    pages_advertise: str  # what sources are told
    metrics: str  # host:port, or "": none
    metrics_advertise: str
    metrics_address_file: Path | None
    controller: str  # "": of no cluster
    token: str
    address_file: Path | None
    memory_bytes: int
    machinery: str
    template_arguments: tuple[str, ...]


async def serve(settings: NodeSettings, fetch: Fetch) -> None:
    """Be the node until a signal says stop; raises CannotServe."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    registry = new_registry(service="node", version=version())
    starts = start_histogram(registry)
    template = Template(settings.machinery, settings.template_arguments)
    blobs = BlobCache(settings.directory / "blobs", fetch)
    hosting = Hosting(
        template,
        blobs,
        memory_bytes=settings.memory_bytes,
        monotonic_ns=time.monotonic_ns,
        unix_ns=time.time_ns,
        on_started=lambda ns: starts.observe(ns / 1e9),
    )
    description = _description(settings)
    registry.register(NodeCollector(hosting, template, description))
    metrics_address = _open_metrics(settings, registry)
    template.start()
    guard = Guard(settings.token, refusal=f"node {settings.name} answers only those who have its cluster's token")
    server = grpc.aio.server(options=SERVER_OPTIONS, interceptors=[Accounting(registry), guard])
    alive = _add_services(server, settings, hosting, description)
    port = _bind(server, settings)
    await server.start()
    request = _join_request(description, f"{settings.advertise_host}:{port}", metrics_address)
    announcing = asyncio.create_task(_announce(settings, request, template, alive, blobs), name="announce")
    stopped = asyncio.create_task(stopping.wait(), name="stopped")
    try:
        await asyncio.wait((announcing, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set() and announcing.exception() is None:
            await stopped  # a node of no cluster has nothing more to announce
    finally:
        stopped.cancel()
        log.info("node.stopping", vms=len(hosting.vms))
        announcing.cancel()
        await alive.enter_graceful_shutdown()
        await hosting.shut_down()
        await template.stop()
        await server.stop(GRACE_S)
    if announcing.done() and not announcing.cancelled() and (error := announcing.exception()) is not None:
        raise error if isinstance(error, CannotServe) else CannotServe(str(error)) from error


def _description(settings: NodeSettings) -> node_pb2.NodeInfo:
    return node_pb2.NodeInfo(
        name=settings.name,
        version=version(),
        stream_version=STREAM_VERSION,
        memory_bytes=settings.memory_bytes,
        cpus=os.cpu_count() or 1,
    )


def _open_metrics(settings: NodeSettings, registry: CollectorRegistry) -> str:
    """The address at which others read them; "": there are none. Before anything else is begun, for the port may be
    taken. The endpoint ends with the process."""
    if not settings.metrics:
        return ""
    try:
        endpoint = Endpoint(settings.metrics, registry)
    except CannotListen as error:
        raise CannotServe(str(error)) from None
    address = f"{settings.metrics_advertise}:{endpoint.address.rpartition(':')[2]}"
    _write_address(settings.metrics_address_file, address)
    return address


def _add_services(
    server: grpc.aio.Server, settings: NodeSettings, hosting: Hosting, description: node_pb2.NodeInfo
) -> "health.aio.HealthServicer":
    migrations = Migrations(hosting, listen_host=settings.pages_host, advertise_host=settings.pages_advertise)
    service = NodeService(hosting, migrations, description)
    node_pb2_grpc.add_NodeServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    alive = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return alive


def _bind(server: grpc.aio.Server, settings: NodeSettings) -> int:
    wanted = f"{settings.listen_host}:{settings.listen_port}"
    try:
        return server.add_insecure_port(wanted)
    except RuntimeError:  # gRPC's text tells of a debugging switch, not of the reason
        raise CannotServe(f"cannot listen on {wanted}: the port is in use or the address is not ours") from None


def _join_request(description: node_pb2.NodeInfo, address: str, metrics_address: str) -> controller_pb2.JoinRequest:
    return controller_pb2.JoinRequest(
        name=description.name,
        address=address,
        version=description.version,
        memory_bytes=description.memory_bytes,
        cpus=description.cpus,
        metrics_address=metrics_address,
    )


async def _announce(
    settings: NodeSettings,
    request: controller_pb2.JoinRequest,
    template: Template,
    alive: "health.aio.HealthServicer",
    blobs: BlobCache,
) -> None:
    """Once a machine can be started here, and not before, say so to all: by address file, health and membership."""
    await template.ready()
    await alive.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    _write_address(settings.address_file, request.address)
    log.info(
        "node.serving",
        address=request.address,
        pages=settings.pages_advertise,
        metrics=request.metrics_address,
        memory_bytes=settings.memory_bytes,
    )
    await _join(settings, request, blobs)


async def _join(settings: NodeSettings, request: controller_pb2.JoinRequest, blobs: BlobCache) -> None:
    if not settings.controller:
        return

    def on_notice(notice: controller_pb2.ControllerNotice) -> None:
        if notice.storage_address:
            blobs.storage_address = notice.storage_address

    await keep_joined(settings.controller, settings.token, request, on_notice)


def _write_address(file: Path | None, address: str) -> None:
    """Appears under its name complete, so that whoever waits for it reads the whole."""
    if file is not None:
        beside = file.with_name(f"{file.name}.{os.getpid()}")
        beside.write_text(f"{address}\n")
        beside.replace(file)


def default_memory_bytes() -> int:
    """Four fifths of what the host has to give now."""
    return int(psutil.virtual_memory().available * 0.8)


def version() -> str:
    try:
        return metadata.version("limosa")
    except metadata.PackageNotFoundError:
        return "0+checkout"
